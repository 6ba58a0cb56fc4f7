// What the book's pages do with a script: filter the scoreboard, sort tables, open and fold cards, show code.
// Every page reads the same without it.
"use strict";

const CODE = "sepconv-code"; // in localStorage: "shown", or nothing

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function button(text, onclick) {
  return make("button", { type: "button", className: "sc-button", textContent: text, onclick });
}

// --- filter chips of the scoreboard ---------------------------------------------------------------------------------

const verdictOf = (row) => row.querySelector(".sc-verdict").dataset.verdict;

function addFilter(scoreboard) {
  const rows = [...scoreboard.querySelectorAll("tbody tr:not(.sc-group)")];
  const counts = new Map([["all", rows.length]]);
  rows.forEach((row) => counts.set(verdictOf(row), (counts.get(verdictOf(row)) || 0) + 1));
  const status = make("p", { className: "sc-status", role: "status" });
  const chips = [...counts].map(([verdict, count]) => {
    const chip = button(`${verdict} (${count})`, () => show(verdict));
    chip.dataset.verdict = verdict;
    return chip;
  });

  function show(verdict) {
    chips.forEach((chip) => chip.setAttribute("aria-pressed", chip.dataset.verdict === verdict));
    rows.forEach((row) => (row.hidden = verdict !== "all" && verdictOf(row) !== verdict));
    const empty = (part) => !part.querySelector("tr:not(.sc-group):not([hidden])");
    scoreboard.querySelectorAll("tbody, .sc-scroll").forEach((part) => (part.hidden = empty(part)));
    const shown = rows.filter((row) => !row.hidden).length;
    status.textContent = verdict === "all" ? "" : `${shown} of ${rows.length} claims: ${verdict}`;
  }

  const group = make("div", { className: "sc-chips", role: "group", ariaLabel: "Show claims by verdict" }, ...chips);
  scoreboard.prepend(group, status);
  show("all");
}

// --- sortable tables ------------------------------------------------------------------------------------------------

// A cell that begins with a number sorts by it; one without a value, shown as a dash, comes last.
function keyOf(row, column) {
  const text = row.cells[column].textContent.trim();
  const number = parseFloat(text.replace(/,/g, "").replace("−", "-"));
  return text === "–" ? null : /^[−+\d]/.test(text) && !Number.isNaN(number) ? number : text;
}

function compare(first, second) {
  if (first === null || second === null) return (first === null) - (second === null);
  if (typeof first === "number" && typeof second === "number") return first - second;
  return String(first).localeCompare(String(second), "en", { numeric: true });
}

function sortBy(table, column, descending) {
  for (const body of table.tBodies) {
    const rows = [...body.querySelectorAll("tr:not(.sc-group)")].map((row) => [keyOf(row, column), row]);
    const last = (key) => key === null;
    rows.sort(([a], [b]) => (descending && !last(a) && !last(b) ? compare(b, a) : compare(a, b)));
    body.append(...rows.map(([, row]) => row));
  }
}

function addSorting(table) {
  const status = make("p", { className: "sc-status visually-hidden", role: "status" });
  table.closest(".sc-scroll").after(status);
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const name = heading.textContent;
    heading.replaceChildren(
      button(name, () => {
        const descending = heading.ariaSort === "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sortBy(table, column, descending);
        status.textContent = `Sorted by ${name}, ${heading.ariaSort}`;
      }),
    );
  });
}

// --- what is folded -------------------------------------------------------------------------------------------------

function addFolding(claims) {
  const setAll = (open) => () => claims.querySelectorAll(".sc-claim").forEach((card) => (card.open = open));
  claims.prepend(make("div", { className: "sc-chips" }, button("Expand all", setAll(true)), button("Fold all", setAll(false))));
}

// A link to something that is folded, or to a folded card itself, opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target?.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  if (target?.closest("details")) target.scrollIntoView();
}

// Print shows all but the code; afterwards all is as it was.
function openForPrint() {
  document.querySelectorAll("details:not([open]):not(.hide)").forEach((part) => {
    part.open = true;
    addEventListener("afterprint", () => (part.open = false), { once: true });
  });
}

// --- code -----------------------------------------------------------------------------------------------------------

function remembered() {
  try {
    return localStorage.getItem(CODE) === "shown";
  } catch {
    return false; // storage is blocked
  }
}

function remember(shown) {
  try {
    localStorage.setItem(CODE, shown ? "shown" : "");
  } catch {
    // the next page starts without code
  }
}

function addCodeSwitch() {
  const cells = document.querySelectorAll("details.hide.above-input");
  const place = document.querySelector(".article-header-buttons");
  if (!cells.length || !place) return;
  const control = button("Code", () => show(control.getAttribute("aria-pressed") !== "true"));
  control.title = "Show the code that made this book, on every page";

  function show(shown) {
    control.setAttribute("aria-pressed", shown);
    document.documentElement.classList.toggle("sc-code", shown);
    cells.forEach((cell) => (cell.open = shown));
    remember(shown);
  }

  place.prepend(control);
  show(remembered());
}

// --- keyboard -------------------------------------------------------------------------------------------------------

// Only a box that scrolls is a stop of the tab key.
function setTabStop(box) {
  const scrolls = box.scrollWidth > box.clientWidth;
  const name = box.querySelector("caption")?.textContent.trim();
  const attributes = { tabindex: "0", role: "region", "aria-label": name };
  for (const [attribute, value] of Object.entries(attributes)) {
    if (scrolls) box.setAttribute(attribute, value);
    else box.removeAttribute(attribute);
  }
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".sc-filtered").forEach(addFilter);
  document.querySelectorAll("table.sc-sortable").forEach((table) => table.tHead && addSorting(table));
  document.querySelectorAll(".sc-claims").forEach(addFolding);
  addCodeSwitch();
  openTarget();
  const sizes = new ResizeObserver((boxes) => boxes.forEach((entry) => setTabStop(entry.target)));
  document.querySelectorAll(".sc-scroll").forEach((box) => {
    setTabStop(box);
    sizes.observe(box);
  });
});
addEventListener("hashchange", openTarget);
addEventListener("beforeprint", openForPrint);
