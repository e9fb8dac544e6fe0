//! temp
use dataset_stream::*;
use std::time::Instant;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("VmHWM"))
        .collect()
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let tok = Tokenizer::from_file(&a[2]).unwrap();
    match a[1].as_str() {
        "dump" => {
            use std::io::Write;
            let mut o = std::io::BufWriter::new(std::io::stdout());
            for d in TextSource::open(&a[3], &SourceOptions::default()).unwrap() {
                let ids = tok.encode(d.unwrap().content.as_text().unwrap()).unwrap();
                for id in ids {
                    write!(o, "{id} ").unwrap();
                }
                writeln!(o).unwrap();
            }
        }
        "zst" => {
            let mut i = std::fs::File::open(&a[3]).unwrap();
            zstd::stream::copy_encode(
                &mut i,
                std::fs::File::create(format!("{}.zst", a[3])).unwrap(),
                3,
            )
            .unwrap();
        }
        "encode" => {
            let docs: Vec<String> = TextSource::open(&a[3], &SourceOptions::default())
                .unwrap()
                .map(|d| match d.unwrap().content {
                    Content::Text(t) => t,
                    _ => panic!(),
                })
                .collect();
            let bytes: usize = docs.iter().map(String::len).sum();
            let mut out = Vec::new();
            let (c, t) = (cpu(), Instant::now());
            let mut n = 0;
            for d in &docs {
                out.clear();
                tok.encode_into(d, &mut out).unwrap();
                n += out.len();
            }
            let (c, t) = (cpu() - c, t.elapsed().as_secs_f64());
            println!(
                "encode: {:.1} MB {n} tokens {:.2} B/tok; {:.2} Mtok/s/cpu, {:.2} Mtok/s wall",
                bytes as f64 / 1e6,
                bytes as f64 / n as f64,
                n as f64 / c / 1e6,
                n as f64 / t / 1e6
            );
        }
        "source" => {
            let (c, t) = (cpu(), Instant::now());
            let mut n = 0;
            for d in TextSource::open(&a[3], &SourceOptions::default()).unwrap() {
                n += d.unwrap().content.as_text().unwrap().len();
            }
            let (c, t) = (cpu() - c, t.elapsed().as_secs_f64());
            println!(
                "source: {:.1} MB text, {:.0} MB/s/cpu {:.0} MB/s wall {}",
                n as f64 / 1e6,
                n as f64 / c / 1e6,
                n as f64 / t / 1e6,
                rss()
            );
        }
        "stream" => {
            let threads = a[4].parse().unwrap();
            let (c, t) = (cpu(), Instant::now());
            let src = TextSource::open(&a[3], &SourceOptions::default()).unwrap();
            let o = StreamOptions {
                threads,
                ..StreamOptions::new(1024)
            };
            let mut s = TokenStream::new(src, &tok, &o).unwrap();
            let mut h = 0u64;
            let mut rows = 0;
            let mut first = 0.0;
            for r in &mut s {
                let r = r.unwrap();
                if rows == 0 {
                    first = t.elapsed().as_secs_f64();
                }
                rows += 1;
                for x in r {
                    h = h.wrapping_mul(31).wrapping_add(x.into());
                }
            }
            let p = s.progress();
            let (c, t) = (cpu() - c, t.elapsed().as_secs_f64());
            println!(
                "stream x{threads}: {rows} rows hash {h:x} {:.2} Mtok/s/cpu {:.2} Mtok/s wall, first row {:.1} ms, {} {p:?}",
                p.tokens as f64 / c / 1e6,
                p.tokens as f64 / t / 1e6,
                first * 1e3,
                rss()
            );
        }
        _ => panic!(),
    }
}
