//! What `torch.save` did not write.

use crate::support::{Pickle, archive};
use crate::{bytes, check};

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
            "uses the pickle operation 0x81",
        ),
        (
            "an empty program",
            program(Vec::new),
            "has a data.pkl that ends in the middle",
        ),
        (
            "a value",
            program(|| Pickle::new().int(1).end()),
            "holds no dictionary of tensors",
        ),
        (
            "nothing",
            program(|| Pickle::new().end()),
            "takes a value that is not there",
        ),
        (
            "a text of 4 GiB",
            program(|| Pickle::new().op(b"X\xff\xff\xff\xffab.").0),
            "announces a text of 4294967295 bytes and ends before",
        ),
        (
            "a number of 255 bytes",
            program(|| Pickle::new().op(b"\x8a\xff").op(&[1; 255]).end()),
            "has a number of more than 64 bits",
        ),
        (
            "a memo of 4 billion",
            program(|| Pickle::new().op(b"Nr\xff\xff\xff\xff.").0),
            "remembers a value under the number 4294967295",
        ),
        (
            "a memo that is empty",
            program(|| Pickle::new().op(b"h\x07.").0),
            "refers to a value 7 that it has not remembered",
        ),
        (
            "a mark that is not set",
            program(|| Pickle::new().op(b"t.").0),
            "closes what it has not opened",
        ),
        (
            "a key without a value",
            program(|| Pickle::new().op(b"}(K\x01u.").0),
            "sets a key without a value",
        ),
        (
            "a call of a number",
            program(|| Pickle::new().int(1).op(b")R.").0),
            "calls what is no function",
        ),
        (
            "a dictionary in itself",
            program(|| Pickle::new().op(b"}q\x00").text("a").op(b"h\x00s.").0),
            "nests dictionaries without end",
        ),
        (
            "a negative size",
            one(|p| p.tensor("0", 6, 0, &[-2, 3], &[3, 1])),
            "has a size of -2",
        ),
        (
            "a view beyond its data",
            one(|p| p.tensor("0", 6, 0, &[2, 4], &[4, 1])),
            "reaches beyond its 6 numbers",
        ),
        (
            "an offset beyond its data",
            one(|p| p.tensor("0", 6, 5, &[2, 1], &[1, 1])),
            "reaches beyond its 6 numbers",
        ),
        (
            "a view that repeats",
            one(|p| p.tensor("0", 6, 0, &[1 << 20, 1 << 10], &[0, 0])),
            "reaches beyond its 6 numbers",
        ),
        (
            "a size that overflows",
            one(|p| p.tensor("0", 6, 0, &[i32::MAX; 3], &[1, 1, 1])),
            "reaches beyond its 6 numbers",
        ),
        (
            "steps that overflow",
            one(|p| p.tensor("0", 6, 0, &[2, 3], &[i32::MAX, i32::MAX])),
            "reaches beyond its 6 numbers",
        ),
        (
            "more numbers than bytes",
            one(|p| p.tensor("0", 1 << 30, 0, &[2, 3], &[3, 1])),
            "says that the data of its tensor \"W_enc\" are 1073741824 numbers",
        ),
        (
            "data that are not there",
            one(|p| p.tensor("9", 6, 0, &[2, 3], &[3, 1])),
            "has no data for its tensor \"W_enc\"",
        ),
        (
            "a path for a key",
            one(|p| p.tensor("../../etc/passwd", 6, 0, &[2, 3], &[3, 1])),
            "has no data for its tensor \"W_enc\"",
        ),
        (
            "nine axes",
            one(|p| p.tensor("0", 6, 0, &[1; 9], &[1; 9])),
            "makes a tensor of shape",
        ),
    ]);
}
