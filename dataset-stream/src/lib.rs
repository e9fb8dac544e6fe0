//! Text data sets as a deterministic stream of packed token rows.
