//! Work that runs no model.

use super::{HEADROOM, HEADROOM_CPU, Part, Plan, PlanError, TUNING, sum};
use llama_hooked::Placement;
use sae_backend::{ComputeDevice, Memory};

impl Plan {
    /// The plan of work that runs no model: these parts, and what the program takes besides.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn without_model(
        parts: Vec<Part>,
        (rows, context_size): (usize, usize),
        on: &ComputeDevice,
        limit: &Memory,
    ) -> Result<Self, PlanError> {
        let headroom = if on.is_cpu() {
            HEADROOM_CPU
        } else {
            HEADROOM + TUNING
        };
        let mut parts = parts;
        parts.push(Part::new("headroom", headroom));
        let total_bytes = sum(&parts);
        if total_bytes > limit.bytes {
            return Err(PlanError {
                rows,
                context_size,
                needed_bytes: total_bytes,
                limit: limit.clone(),
                streamed: false,
                parts,
                fitting_rows: None,
                too_large: None,
            });
        }
        Ok(Self {
            limit_bytes: limit.bytes,
            limit_from: limit.from.clone(),
            placement: Placement::Resident,
            batch_size: rows,
            rows_at_once: rows,
            context_size,
            sae_groups: Vec::new(),
            parts,
            total_bytes,
        })
    }
}
