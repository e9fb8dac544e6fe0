//! A contrast of two sets of prompts: the files with every feature, and the page with the strongest.

mod bars;
mod cards;
mod columns;
mod csv;
mod document;
mod folder;
mod head;
mod layers;
mod page;
mod parquet;
mod scatter;
mod strip;
mod table;
mod terminal;
#[cfg(test)]
mod tests;
mod tokens;
mod warnings;

pub use csv::contrast_csv;
pub use document::{
    Card, ContrastReport, ContrastRow, ContrastSettings, PromptSet, SaeContrast, ShownPrompt,
};
pub use folder::{ContrastFolder, ContrastFolderError};
pub use page::contrast_page;
pub use parquet::contrast_parquet;
pub use terminal::contrast_terminal;
pub use warnings::contrast_warnings;
