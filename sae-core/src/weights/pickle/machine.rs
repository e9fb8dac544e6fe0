//! Python's pickle machine, without Python: a stack, a memo and values that are data only.
//!
//! The opcodes are those of `pickletools`. Values refer to one another by their place in a list, so that sharing costs nothing and no
//! file can unfold into more than it holds.

use std::rc::Rc;

/// What stops a program.
#[derive(Debug)]
pub(super) enum Fault {
    /// It asks for a function or a class that is not known.
    Global(String),
    /// A phrase that continues "data.pkl that ...".
    Other(String),
}

/// A value: small, or the place of a larger one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Nothing,
    Int(i64),
    Text(Rc<str>),
    Node(usize),
}

/// A larger value.
#[derive(Debug)]
pub(super) enum Node {
    Sequence(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Global(String),
    /// Of torch: type, key, number of values.
    Storage {
        dtype: String,
        key: String,
        numel: usize,
    },
    /// Of torch: storage, first number, shape, strides.
    Tensor {
        storage: usize,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    },
    /// Known to carry nothing that is needed.
    Inert,
}

/// A program that has ended.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Value,
}

pub(super) type Done<T> = Result<T, Fault>;

pub(super) fn fault<T>(phrase: impl Into<String>) -> Done<T> {
    Err(Fault::Other(phrase.into()))
}

/// The machine while it runs.
pub(super) struct Run<'a> {
    rest: &'a [u8],
    pub(super) nodes: Vec<Node>,
    pub(super) stack: Vec<Value>,
    /// Heights of the stack where a mark was set.
    marks: Vec<usize>,
    /// By number, which files count from 0.
    memo: Vec<Option<Value>>,
    most_memos: usize,
}

impl Machine {
    /// Runs a program to its end.
    pub(super) fn run(program: &[u8]) -> Done<Self> {
        let mut run = Run {
            rest: program,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            most_memos: program.len(),
        };
        loop {
            let [op] = run.take()?;
            if op == b'.' {
                let root = run.pop()?;
                return Ok(Self {
                    nodes: run.nodes,
                    root,
                });
            }
            run.step(op)?;
        }
    }
}

impl Run<'_> {
    fn step(&mut self, op: u8) -> Done<()> {
        match op {
            // PROTO, FRAME
            0x80 => drop(self.take::<1>()?),
            0x95 => drop(self.take::<8>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'N' | 0x88 | 0x89 => self.stack.push(Value::Nothing),
            b'J' => {
                let n = i32::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(n.into()));
            }
            b'K' => {
                let [n] = self.take()?;
                self.stack.push(Value::Int(n.into()));
            }
            b'M' => {
                let n = u16::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(n.into()));
            }
            0x8a => self.long()?,
            b'G' => {
                self.take::<8>()?;
                self.stack.push(Value::Nothing);
            }
            b'X' | b'T' | b'B' => {
                let n = u32::from_le_bytes(self.take()?);
                self.text(n as usize)?;
            }
            0x8c | b'U' | b'C' => {
                let [n] = self.take()?;
                self.text(n.into())?;
            }
            b']' | b')' => self.push(Node::Sequence(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b't' | b'l' => {
                let items = self.above_mark()?;
                self.push(Node::Sequence(items));
            }
            0x85..=0x87 => {
                let items = self.pops(usize::from(op - 0x84))?;
                self.push(Node::Sequence(items));
            }
            b'a' => {
                let items = self.pops(1)?;
                self.append(items)?;
            }
            b'e' => {
                let items = self.above_mark()?;
                self.append(items)?;
            }
            b's' => {
                let pair = self.pops(2)?;
                self.set(pair)?;
            }
            b'u' => {
                let pairs = self.above_mark()?;
                self.set(pairs)?;
            }
            b'q' => {
                let [at] = self.take()?;
                self.remember(at.into())?;
            }
            b'r' => {
                let at = u32::from_le_bytes(self.take()?);
                self.remember(at as usize)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let [at] = self.take()?;
                self.recall(at.into())?;
            }
            b'j' => {
                let at = u32::from_le_bytes(self.take()?);
                self.recall(at as usize)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let names = self.pops(2)?;
                match names.as_slice() {
                    [Value::Text(module), Value::Text(name)] => self.global(module, name)?,
                    _ => return fault("names a function by something that is no text"),
                }
            }
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            // BUILD sets attributes of an object, which none of these needs; POP drops a value.
            b'b' | b'0' => drop(self.pop()?),
            _ => {
                return fault(format!(
                    "uses the pickle operation {op:#04x}, which files of weights do not need"
                ));
            }
        }
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Done<[u8; N]> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            return fault("ends in the middle");
        };
        self.rest = rest;
        Ok(*taken)
    }

    fn text(&mut self, n: usize) -> Done<()> {
        let Some((text, rest)) = self.rest.split_at_checked(n) else {
            return fault(format!("announces a text of {n} bytes and ends before"));
        };
        self.rest = rest;
        self.stack
            .push(Value::Text(String::from_utf8_lossy(text).into()));
        Ok(())
    }

    fn line(&mut self) -> Done<String> {
        let Some(end) = self.rest.iter().position(|b| *b == b'\n') else {
            return fault("ends in the middle of a name");
        };
        let line = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest = &self.rest[end + 1..];
        Ok(line)
    }

    /// A whole number of up to 255 bytes, of which those that fit in 64 bits matter.
    fn long(&mut self) -> Done<()> {
        let [n] = self.take()?;
        let Some((bytes, rest)) = self.rest.split_at_checked(n.into()) else {
            return fault("ends in the middle of a number");
        };
        self.rest = rest;
        if bytes.len() > 8 {
            return fault("has a number of more than 64 bits");
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut full = [if negative { 0xff } else { 0 }; 8];
        full[..bytes.len()].copy_from_slice(bytes);
        self.stack.push(Value::Int(i64::from_le_bytes(full)));
        Ok(())
    }

    pub(super) fn push(&mut self, node: Node) {
        self.stack.push(Value::Node(self.nodes.len()));
        self.nodes.push(node);
    }

    pub(super) fn pop(&mut self) -> Done<Value> {
        // What is below a mark belongs to somebody else.
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(value) if self.stack.len() >= floor => Ok(value),
            _ => fault("takes a value that is not there"),
        }
    }

    /// The last `n` values, in their order.
    fn pops(&mut self, n: usize) -> Done<Vec<Value>> {
        let mut values: Vec<Value> = (0..n).map(|_| self.pop()).collect::<Done<_>>()?;
        values.reverse();
        Ok(values)
    }

    fn above_mark(&mut self) -> Done<Vec<Value>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => fault("closes what it has not opened"),
        }
    }

    /// The value on top of the stack, which stays there.
    fn top(&mut self) -> Done<&mut Node> {
        match self.stack.last() {
            Some(&Value::Node(at)) => Ok(&mut self.nodes[at]),
            _ => fault("fills what is no list and no dictionary"),
        }
    }

    fn append(&mut self, items: Vec<Value>) -> Done<()> {
        match self.top()? {
            Node::Sequence(all) => all.extend(items),
            _ => return fault("appends to what is no list"),
        }
        Ok(())
    }

    fn set(&mut self, items: Vec<Value>) -> Done<()> {
        if !items.len().is_multiple_of(2) {
            return fault("sets a key without a value");
        }
        let Node::Dict(all) = self.top()? else {
            return fault("sets keys of what is no dictionary");
        };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            all.push((key, value));
        }
        Ok(())
    }

    fn remember(&mut self, at: usize) -> Done<()> {
        let value = match self.stack.last() {
            Some(value) => value.clone(),
            None => return fault("remembers a value that is not there"),
        };
        // Programs count up, one number an operation; anything else would be a request for memory.
        if at >= self.most_memos {
            return fault(format!(
                "remembers a value under the number {at}, more than it has operations"
            ));
        }
        if at >= self.memo.len() {
            self.memo.resize(at + 1, None);
        }
        self.memo[at] = Some(value);
        Ok(())
    }

    fn recall(&mut self, at: usize) -> Done<()> {
        match self.memo.get(at) {
            Some(Some(value)) => {
                self.stack.push(value.clone());
                Ok(())
            }
            _ => fault(format!("refers to a value {at} that it has not remembered")),
        }
    }
}
