//! Chromium, driven through the two pipes of `--remote-debugging-pipe`: messages are JSON and end in a zero byte.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser with one tab.
pub(crate) struct Tab {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Tab {
    pub(crate) fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let name = std::env::var("CHROMIUM").unwrap_or_else(|_| installed());
        // The browser reads descriptor 3 and writes 4; the shell puts our pipes there.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null",
                &name,
            ])
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--hide-scrollbars",
            ])
            // Containers run as root, for whom there is no sandbox. The pages are our own.
            .args([
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--window-size=1440,960",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, messages) = channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("JSON of the browser");
                if send.send(message).is_err() {
                    break;
                }
            }
        });
        let mut tab = Self {
            input: child.stdin.take().unwrap(),
            child,
            messages,
            session: None,
            last_id: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = tab.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = tab.call("Target.attachToTarget", &attach);
        tab.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            tab.call(&format!("{domain}.enable"), &json!({}));
        }
        tab.go(url);
        tab
    }

    /// Loads an address, and waits until the page has put itself together.
    pub(crate) fn go(&mut self, url: &str) {
        // From a blank page, so that another hash is another load.
        self.call("Page.navigate", &json!({"url": "about:blank"}));
        self.call("Page.navigate", &json!({"url": url}));
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete' && !document.querySelector('[role=status].notice')");
    }

    /// Asks the browser; its answer.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let mut answer = self.ask(method, params);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }

    /// The answer with what may have gone wrong.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.input
            .write_all(&bytes)
            .expect("a browser that listens");
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let message = message.unwrap_or_else(|_| {
                panic!(
                    "{method}: no answer of the browser {:?}; is Chromium installed?",
                    self.child.try_wait()
                )
            });
            if message["id"] == id {
                return message;
            }
            self.events.push(message);
        }
    }

    /// The value of an expression in the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut result = self.call("Runtime.evaluate", &params);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {}",
            result["exceptionDetails"]["exception"]["description"]
        );
        result["result"]["value"].take()
    }

    /// The text of the first element that a selector finds.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let found = self.eval(&format!(
            "document.querySelector({selector:?})?.textContent ?? null"
        ));
        found
            .as_str()
            .unwrap_or_else(|| panic!("no {selector}"))
            .to_owned()
    }

    /// The texts of all of them.
    pub(crate) fn texts(&mut self, selector: &str) -> Vec<String> {
        let texts = self.eval(&format!(
            "[...document.querySelectorAll({selector:?})].map((e) => e.textContent)"
        ));
        serde_json::from_value(texts).unwrap()
    }

    pub(crate) fn number(&mut self, expression: &str) -> f64 {
        let value = self.eval(expression);
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    /// Waits until an expression is true. A page that makes room for another has no answer, which is not yet one.
    pub(crate) fn wait(&mut self, expression: &str) {
        let begun = Instant::now();
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        loop {
            let answer = self.ask("Runtime.evaluate", &params);
            let thrown = &answer["result"]["exceptionDetails"];
            assert!(thrown.is_null(), "{expression}: {thrown}");
            if answer["result"]["result"]["value"] == true {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "never true: {expression}\nThe page says: {}",
                self.text("main")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for an element.
    pub(crate) fn wait_for(&mut self, selector: &str) {
        self.wait(&format!("!!document.querySelector({selector:?})"));
    }

    fn mouse(&mut self, kind: &str, x: f64, y: f64) {
        let pressed = i32::from(kind != "mouseMoved");
        let params = json!({"type": kind, "x": x, "y": y, "button": if pressed == 1 { "left" } else { "none" }, "clickCount": pressed});
        self.call("Input.dispatchMouseEvent", &params);
    }

    pub(crate) fn hover_at(&mut self, x: f64, y: f64) {
        self.mouse("mouseMoved", x, y);
    }

    pub(crate) fn click_at(&mut self, x: f64, y: f64) {
        self.mouse("mouseMoved", x, y);
        self.mouse("mousePressed", x, y);
        self.mouse("mouseReleased", x, y);
    }

    /// The middle of the first element that a selector finds, brought into sight.
    pub(crate) fn middle(&mut self, selector: &str) -> (f64, f64) {
        let place = self.eval(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'center' }}); \
             const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; }})()"
        ));
        (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
    }

    pub(crate) fn hover(&mut self, selector: &str) {
        let (x, y) = self.middle(selector);
        self.hover_at(x, y);
    }

    pub(crate) fn click(&mut self, selector: &str) {
        let (x, y) = self.middle(selector);
        self.click_at(x, y);
    }

    /// A key by its name, with the text that it types.
    pub(crate) fn key(&mut self, key: &str) {
        let text = if key.chars().count() == 1 {
            key
        } else if key == "Enter" {
            "\r"
        } else {
            ""
        };
        self.call(
            "Input.dispatchKeyEvent",
            &json!({"type": "keyDown", "key": key, "text": text}),
        );
        self.call(
            "Input.dispatchKeyEvent",
            &json!({"type": "keyUp", "key": key}),
        );
    }

    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    pub(crate) fn hash(&mut self) -> String {
        self.eval("location.hash").as_str().unwrap().to_owned()
    }

    /// What the page asked for, the page itself among it.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.eval("new Promise((done) => setTimeout(done, 50))");
        let sent = self
            .events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls = sent.map(|event| {
            event["params"]["request"]["url"]
                .as_str()
                .unwrap_or("?")
                .to_owned()
        });
        urls.filter(|url| url != "about:blank").collect()
    }

    /// What went wrong in the page: exceptions, messages on the console, violations of its policy.
    pub(crate) fn complaints(&mut self) -> Vec<Value> {
        self.eval("new Promise((done) => setTimeout(done, 50))");
        let wrong = [
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
        ];
        let events = self.events.iter();
        let found = events.filter(|event| wrong.iter().any(|method| event["method"] == *method));
        found.map(|event| event["params"].clone()).collect()
    }

    /// That the page is silent, and asked for nothing but files.
    pub(crate) fn assert_quiet(&mut self) {
        assert_eq!(self.complaints(), [] as [Value; 0]);
        for url in self.requests() {
            assert!(
                url.starts_with("file:///") || url.starts_with("data:,"),
                "{url}"
            );
        }
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.session = None;
        let close = b"{\"id\":0,\"method\":\"Browser.close\"}\0";
        if self.input.write_all(close).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn installed() -> String {
    let found = NAMES.iter().find(|name| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).any(|folder| folder.join(name).is_file())
    });
    found
        .expect("Chromium is not installed: install it, or name it in the variable CHROMIUM")
        .to_string()
}
