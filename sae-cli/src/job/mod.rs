//! From arguments to what a library is called with: every name resolved, every plan made, every output settled before the work.

pub(crate) mod bad_rows;
pub(crate) mod checkpoint;
pub(crate) mod contrast;
pub(crate) mod demo;
pub(crate) mod device;
pub(crate) mod eval_state;
pub(crate) mod generate;
pub(crate) mod graph;
pub(crate) mod live;
pub(crate) mod masking;
pub(crate) mod model;
pub(crate) mod outputs;
pub(crate) mod plan;
pub(crate) mod prepare;
pub(crate) mod prompts;
pub(crate) mod question;
pub(crate) mod rows;
pub(crate) mod run;
pub(crate) mod sheets;
pub(crate) mod steer;
pub(crate) mod targets;
pub(crate) mod text;
pub(crate) mod token_origin;
pub(crate) mod token_output;
pub(crate) mod train;
pub(crate) mod work_folder;
