//! Manual pages and completions of shells, from what clap knows of the command line.

use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// Where each shell looks for completions below a prefix, and under which name.
const SHELLS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "share/bash-completion/completions", "uring"),
    (Shell::Zsh, "share/zsh/site-functions", "_uring"),
    (Shell::Fish, "share/fish/vendor_completions.d", "uring.fish"),
];

/// Writes a page for the command and one for each command below it, and the completions.
pub(crate) fn write(command: Command, prefix: &Path) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let pages = prefix.join("share/man/man1");
    std::fs::create_dir_all(&pages)?;
    let page = |command: Command, name: String| -> io::Result<()> {
        let mut text = Vec::new();
        Man::new(command)
            .title(name.to_uppercase())
            .render(&mut text)?;
        std::fs::write(pages.join(format!("{name}.1")), text)
    };
    page(command.clone(), "uring".to_owned())?;
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        page(below.clone(), format!("uring-{}", below.get_name()))?;
    }
    for (shell, folder, name) in SHELLS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "uring", &mut text);
        let folder = prefix.join(folder);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
