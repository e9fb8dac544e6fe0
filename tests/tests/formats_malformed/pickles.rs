//! What `torch.save` did not write.

use crate::support::{Pickle, archive, state};
use crate::{bytes, check, message};
use sae_core::RunOptions;

/// Programs that ask for something, or are no programs.
#[test]
fn pickles() {
    let program = |program: fn() -> Vec<u8>| bytes("w.pt", move || archive(&program()));
    let one = |tensor: fn(Pickle) -> Pickle| {
        bytes("w.pt", move || {
            archive(&tensor(Pickle::new().op(b"}(").text("W_enc")).op(b"u").end())
        })
    };
    check(vec![
        (
            "a call of the system",
            program(|| {
                Pickle::new()
                    .global("os", "system")
                    .text("true")
                    .op(b"\x85R")
                    .end()
            }),
            "its pickle asks for os.system, which is not data of PyTorch's: such a file runs code",
        ),
        (
            "eval",
            program(|| {
                Pickle::new()
                    .global("builtins", "eval")
                    .text("1")
                    .op(b"\x85R")
                    .end()
            }),
            "asks for builtins.eval",
        ),
        (
            "a function by the stack",
            program(|| Pickle::new().text("posix").text("system").op(b"\x93.").0),
            "asks for posix.system",
        ),
        (
            "numpy",
            program(|| {
                Pickle::new()
                    .global("numpy.core.multiarray", "_reconstruct")
                    .end()
            }),
            "asks for numpy.core.multiarray._reconstruct",
        ),
        (
            "fp8",
            program(|| {
                Pickle::new()
                    .global("torch._utils", "_rebuild_tensor_v3")
                    .end()
            }),
            "asks for torch._utils._rebuild_tensor_v3",
        ),
        (
            "an object",
            program(|| Pickle::new().op(b"}\x81.").0),
            "pickle stack underflow",
        ),
        (
            "an empty program",
            program(Vec::new),
            "failed to fill whole buffer",
        ),
        (
            "a value",
            program(|| Pickle::new().int(1).end()),
            "Expected a dictionary at the root of the PyTorch file, found int",
        ),
        (
            "nothing",
            program(|| Pickle::new().end()),
            "pickle stack underflow",
        ),
        (
            "a text of 4 GiB",
            program(|| Pickle::new().op(b"X\xff\xff\xff\xffab.").0),
            "expected 4294967295 bytes, found 3",
        ),
        (
            "a number of 255 bytes",
            program(|| Pickle::new().op(b"\x8a\xff").op(&[1; 255]).end()),
            "Expected a dictionary at the root",
        ),
        (
            "a memo of 4 billion",
            program(|| Pickle::new().op(b"Nr\xff\xff\xff\xff.").0),
            "Expected a dictionary at the root",
        ),
        (
            "a memo that is empty",
            program(|| Pickle::new().op(b"h\x07.").0),
            "pickle memo reference 7 not found",
        ),
        (
            "a mark that is not set",
            program(|| Pickle::new().op(b"t.").0),
            "MARK not found on stack",
        ),
        (
            "a key without a value",
            program(|| Pickle::new().op(b"}(K\x01u.").0),
            "dict items must come in key/value pairs",
        ),
        (
            "a call of a number",
            program(|| Pickle::new().int(1).op(b")R.").0),
            "Expected a dictionary at the root",
        ),
        (
            "a dictionary in itself",
            program(|| Pickle::new().op(b"}q\x00").text("a").op(b"h\x00s.").0),
            "holds tensors that are none of an SAE",
        ),
        (
            "a negative size",
            one(|p| p.tensor("0", 6, 0, &[-2, 3], &[3, 1])),
            "shape must be non-negative, got -2",
        ),
        (
            "a view beyond its data",
            one(|p| p.tensor("0", 6, 0, &[2, 4], &[4, 1])),
            "needs 8 elements, but storage '0' declares 6",
        ),
        (
            "an offset beyond its data",
            one(|p| p.tensor("0", 6, 5, &[2, 1], &[1, 1])),
            "needs 7 elements, but storage '0' declares 6",
        ),
        (
            "a view that repeats",
            one(|p| p.tensor("0", 6, 0, &[1 << 20, 1 << 10], &[0, 0])),
            "of shape [1048576, 1024], 4294967296 bytes, and is",
        ),
        (
            "a size that overflows",
            one(|p| p.tensor("0", 6, 0, &[i32::MAX; 3], &[1, 1, 1])),
            "Tensor shape element count overflows usize",
        ),
        (
            "steps that overflow",
            one(|p| p.tensor("0", 6, 0, &[2, 3], &[i32::MAX, i32::MAX])),
            "needs 6442450942 elements, but storage '0' declares 6",
        ),
        (
            "a list in a list in a list, twice each",
            program(|| {
                let twice = |p: Pickle, at: u8| p.op(b"q").op(&[at, b'h', at, b'h', at, 0x86]);
                (0..60).fold(Pickle::new().op(b")"), twice).end()
            }),
            "memo bomb",
        ),
        (
            "lists without end",
            program(|| Pickle::new().op(b")").op(&[0x85; 5000]).end()),
            "nesting exceeds",
        ),
    ]);
}

/// What is found when the numbers are read.
#[test]
fn data_that_are_not_there() {
    let good = || {
        state(&[
            ("W_enc", &[2, 3]),
            ("W_dec", &[3, 2]),
            ("b_enc", &[3]),
            ("b_dec", &[2]),
        ])
    };
    let renamed = |from: &'static [u8], to: &'static [u8]| {
        let mut file = good();
        while let Some(at) = file.windows(from.len()).position(|w| w == from) {
            file[at..at + to.len()].copy_from_slice(to);
        }
        file
    };
    let mut relu = RunOptions::default();
    relu.activation = Some("relu".parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sae_weights.pt");
    let said = |file: Vec<u8>| {
        std::fs::write(&path, file).unwrap();
        message(&path, &relu).unwrap_err()
    };
    std::fs::write(&path, good()).unwrap();
    message(&path, &relu).unwrap();
    let missing = said(renamed(b"x/data/1", b"x/data/8"));
    assert!(
        missing.contains("sae_weights.pt") && missing.contains("tensor 'W_dec'"),
        "{missing}"
    );
}
