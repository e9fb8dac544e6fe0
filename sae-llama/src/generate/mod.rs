//! Text in, text out: prompts by the tokenizer or the chat template, continuations as they come, and what is said of them.

mod completion;
mod prompt;
mod stream;

pub use completion::{CompleteError, Completion, Completions, Settings, Token, complete};
pub use prompt::{Prompt, PromptError, Prompter};
pub use stream::TextStream;
