//! A feature that fires on texts of one class only.

use sae_bench::{BenchError, Class, Seeded, SparseProbing, Texts, sparse_probing};

fn texts(feature: u32) -> Result<Texts, BenchError> {
    let mut texts = Texts::new(1, 3);
    for _ in 0..10 {
        texts.push(&[1.0], [(feature, 2.0)], 0.0)?;
    }
    Ok(texts)
}

fn main() -> Result<(), BenchError> {
    let classes = [
        Class::new("news", texts(0)?, texts(0)?),
        Class::new("code", texts(2)?, texts(2)?),
    ];
    let found = sparse_probing(&classes, &SparseProbing::default(), &mut Seeded::new(0))?;
    println!("{}", found[0].sae_top[0].test_accuracy);
    assert!((found[0].sae_top[0].test_accuracy - 1.0).abs() < 1e-12);
    Ok(())
}
