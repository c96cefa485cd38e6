//! Says what is done: a bar on a terminal, lines otherwise.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}");
            ProgressBar::new(0).with_style(style.expect("a valid template"))
        });
        Progress {
            bar,
            last: String::new(),
        }
    }

    /// So many runs more are going to come.
    pub(crate) fn expect(&self, runs: usize) {
        if let Some(bar) = &self.bar {
            bar.inc_length(runs as u64);
        }
    }

    /// Something without runs has begun.
    pub(crate) fn say(&mut self, title: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(title.to_string()),
            None if self.last != title => eprintln!("{title}"),
            None => {}
        }
        if self.last != title {
            self.last = title.into();
        }
    }

    /// One run is done.
    pub(crate) fn tick(&mut self, title: &str) {
        self.say(title);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
