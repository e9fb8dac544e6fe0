//! A server on the loopback interface that fails as it is told to.

pub mod hub;

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET` or `HEAD`.
    pub method: String,
    /// With its query.
    pub path: String,
    headers: Vec<(String, String)>,
    /// How many arrived before.
    pub number: usize,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The first byte of `Range: bytes=N-` or `bytes=N-M`.
    pub fn from(&self) -> Option<usize> {
        self.range()?.0.parse().ok()
    }

    /// The last byte, where one is named.
    pub fn to(&self) -> Option<usize> {
        self.range()?.1.parse().ok()
    }

    fn range(&self) -> Option<(&str, &str)> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.split_once('-')
    }
}

/// What is answered, and how badly.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection ends after this many bytes of the body.
    pub cut: Option<usize>,
    /// Before the connection ends, or the body continues, nothing is sent for this long.
    pub stall: Duration,
    /// Sent instead of everything else.
    pub raw: Option<Vec<u8>>,
    /// Sent instead of the body's length.
    pub length: Option<usize>,
    /// In chunks, so that no length is sent.
    pub chunked: bool,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
            stall: Duration::ZERO,
            raw: None,
            length: None,
            chunked: false,
        }
    }

    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::new(200)
        }
    }

    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            raw: Some(bytes.into()),
            ..Self::new(0)
        }
    }

    pub fn redirect(to: impl Into<String>) -> Self {
        Self::new(302).with("Location", to)
    }

    /// What a good server says to a request for this content.
    pub fn file(request: &Request, content: &[u8], etag: &str) -> Self {
        let reply = match request.from() {
            Some(from) if from >= content.len() => {
                Self::new(416).with("Content-Range", format!("bytes */{}", content.len()))
            }
            Some(from) if request.header("if-range").is_none_or(|tag| tag == etag) => {
                let last = content.len() - 1;
                let to = request.to().map_or(last, |to| to.min(last));
                let range = format!("bytes {from}-{to}/{}", content.len());
                Self {
                    body: content[from..=to].to_vec(),
                    ..Self::new(206)
                }
                .with("Content-Range", range)
            }
            _ => Self::body(content),
        };
        reply.with("ETag", etag)
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    /// Whether the connection can be used again.
    fn send(&self, stream: &mut TcpStream, head: bool) -> std::io::Result<bool> {
        let only_head = head;
        if let Some(raw) = &self.raw {
            stream.write_all(raw)?;
            thread::sleep(self.stall);
            return Ok(false);
        }
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &if self.chunked {
            "Transfer-Encoding: chunked\r\n\r\n".to_owned()
        } else {
            format!(
                "Content-Length: {}\r\n\r\n",
                self.length.unwrap_or(self.body.len())
            )
        };
        stream.write_all(head.as_bytes())?;
        if only_head {
            return Ok(true);
        }
        let end = self.cut.unwrap_or(self.body.len()).min(self.body.len());
        let mut sent = 0;
        if !self.stall.is_zero() {
            stream.write_all(&self.body[..if self.chunked { 0 } else { end }])?;
            sent = end;
            thread::sleep(self.stall);
        }
        if self.chunked {
            for piece in self.body[..end].chunks(5000) {
                write!(stream, "{:x}\r\n", piece.len())?;
                stream.write_all(piece)?;
                stream.write_all(b"\r\n")?;
            }
            if self.cut.is_none() {
                stream.write_all(b"0\r\n\r\n")?;
            }
        } else {
            stream.write_all(&self.body[sent..end])?;
        }
        Ok(self.cut.is_none() && self.length.is_none() && self.stall.is_zero())
    }
}

/// Ends with the last handle.
pub struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let handler = Arc::new(handler);
        let shared = (Arc::clone(&log), Arc::clone(&stop));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.1.load(Ordering::Relaxed) {
                    return;
                }
                let (handler, log) = (Arc::clone(&handler), Arc::clone(&shared.0));
                thread::spawn(move || serve(stream.unwrap(), &*handler, &log));
            }
        });
        Self { address, log, stop }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, handler: &dyn Fn(&Request) -> Reply, log: &Mutex<Vec<Request>>) {
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((method, path, headers)) = read_request(&mut reader) {
        let request = {
            let mut log = log.lock().unwrap();
            let request = Request {
                method,
                path,
                headers,
                number: log.len(),
            };
            log.push(request.clone());
            request
        };
        if !handler(&request)
            .send(&mut stream, request.method == "HEAD")
            .unwrap_or(false)
        {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Method, path and headers.
type Head = (String, String, Vec<(String, String)>);

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Head> {
    let mut line = || {
        let mut line = String::new();
        let read = reader.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let start = line()?;
    let mut words = start.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else {
            return Some((method, path, headers));
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}
