//! Writes the page of a made-up training, to work on the page without one:
//! `cargo run -p sae-report --example training_page -- OUT.html RUNS RECORDS`.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("name a file")?;
    let n_runs = arguments.next().map_or(Ok(1), |n| n.parse())?;
    let n_records = arguments.next().map_or(Ok(400), |n| n.parse())?;
    let page = sae_report::training_page(&fixture::state(n_runs, n_records));
    Ok(std::fs::write(out, page)?)
}
