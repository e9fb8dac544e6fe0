//! Where the name of a published SAE leads.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let named = sae_releases::find("llama_scope_lxr_8x/l15r_8x")?.ok_or("no such release")?;
    println!("{}: {}", named.release.repo_id, named.sae.path);
    assert_eq!(named.release.format, "llama_scope");
    Ok(())
}
