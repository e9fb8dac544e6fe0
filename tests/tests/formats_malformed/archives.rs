//! Zip archives that are damaged, or hold something else.

use crate::support::{state, zip};
use crate::{bytes, check};

#[test]
fn archives() {
    let good = || {
        state(&[
            ("W_enc", &[2, 3]),
            ("W_dec", &[3, 2]),
            ("b_enc", &[3]),
            ("b_dec", &[2]),
        ])
    };
    check(vec![
        (
            "half a file",
            bytes("w.pt", move || {
                let w = good();
                w[..w.len() / 2].to_vec()
            }),
            "Could not find EOCD",
        ),
        (
            "no table",
            bytes("w.pt", || b"PK\x03\x04".to_vec()),
            "Could not find EOCD",
        ),
        (
            "an empty archive",
            bytes("w.pt", || zip(&[])),
            "No data.pkl entry found",
        ),
        (
            "no pickle",
            bytes("w.pt", || zip(&[("x/data/0", &[0; 4])])),
            "No data.pkl entry found",
        ),
        (
            "two pickles",
            bytes("w.pt", || {
                zip(&[("x/data.pkl", b"N."), ("y/data.pkl", b"N.")])
            }),
            "Expected a dictionary at the root",
        ),
        (
            "one entry twice",
            bytes("w.pt", || {
                zip(&[("x/data.pkl", b"N."), ("x/data.pkl", b"N.")])
            }),
            "Expected a dictionary at the root",
        ),
        (
            "a path that climbs",
            bytes("w.pt", || {
                zip(&[("x/data.pkl", b"N."), ("x/../../evil", b"")])
            }),
            "Expected a dictionary at the root",
        ),
        (
            "a path from the root",
            bytes("w.pt", || zip(&[("/etc/passwd", b"")])),
            "No data.pkl entry found",
        ),
        (
            "big-endian",
            bytes("w.pt", || {
                zip(&[("x/data.pkl", b"N."), ("x/byteorder", b"big")])
            }),
            "Big-endian PyTorch files are not supported",
        ),
        (
            "a compressed entry",
            bytes("w.pt", || {
                let mut file = zip(&[("x/data.pkl", b"N.")]);
                let at = file.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
                file[at + 10] = 8;
                file
            }),
            "corrupt deflate stream",
        ),
        (
            "an entry of 4 GiB",
            bytes("w.pt", || {
                let mut file = zip(&[("x/data.pkl", b"N.")]);
                let at = file.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
                file[at + 20..at + 28]
                    .copy_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff]);
                file
            }),
            "is 4294967294 bytes, above the 104857600 byte limit",
        ),
        (
            "a header elsewhere",
            bytes("w.pt", || {
                let mut file = zip(&[("x/data.pkl", b"N.")]);
                let at = file.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
                file[at + 42] = 7;
                file
            }),
            "Invalid local file header",
        ),
        (
            "a table elsewhere",
            bytes("w.pt", || {
                let mut file = zip(&[("x/data.pkl", b"N.")]);
                let at = file.len() - 6;
                file[at..at + 4].copy_from_slice(&[0xff; 4]);
                file
            }),
            "Invalid CDFH offset",
        ),
        (
            "an old pickle",
            bytes("w.pt", || {
                b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec()
            }),
            "Failed to read protocol version from legacy format",
        ),
        (
            "no weights at all",
            bytes("w.pt", || b"hello, this is a text".to_vec()),
            "is not a safetensors file",
        ),
        (
            "other tensors",
            bytes("w.pt", || state(&[("fc1.weight", &[2, 3])])),
            "holds tensors that are none of an SAE's known to this program: fc1.weight",
        ),
        (
            "no activation",
            bytes("sae_weights.pt", good),
            "give --activation relu, jumprelu or topk:K",
        ),
        (
            "an array of columns",
            bytes("params.npz", || {
                let header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n";
                let n = (header.len() as u16).to_le_bytes();
                let array = [
                    b"\x93NUMPY\x01\0".as_slice(),
                    &n,
                    header.as_bytes(),
                    &[0; 24],
                ]
                .concat();
                zip(&[("W_enc.npy", &array)])
            }),
            "has an array \"W_enc\" that lies column by column",
        ),
        (
            "an array of another size",
            bytes("params.npz", || {
                let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999, 9999999), }\n";
                let n = (header.len() as u16).to_le_bytes();
                let array = [
                    b"\x93NUMPY\x01\0".as_slice(),
                    &n,
                    header.as_bytes(),
                    &[0; 24],
                ]
                .concat();
                zip(&[("W_enc.npy", &array)])
            }),
            "which do not fit",
        ),
    ]);
}
