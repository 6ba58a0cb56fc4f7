"""From results and verdicts to the book: frames, figures, tables, pages, gates."""
