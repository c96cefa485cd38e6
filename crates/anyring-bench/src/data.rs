//! The data file: every 4 KiB block can be told from every other.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::contender::Stop;

/// Bytes of a block.
pub const BLOCK: usize = 4096;

/// The word at `index` of the block with this number.
fn word(block: u64, index: u64) -> u64 {
    (block + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ index
}

fn fill(block: u64, bytes: &mut [u8]) {
    for (index, eight) in bytes.chunks_exact_mut(8).enumerate() {
        eight.copy_from_slice(&word(block, index as u64).to_le_bytes());
    }
}

/// Whether the first and last word of a read are those of the file.
pub fn ends_match(offset: u64, bytes: &[u8]) -> bool {
    let first = offset / BLOCK as u64;
    let last = first + (bytes.len() / BLOCK) as u64 - 1;
    let end = bytes.len() - 8;
    bytes[..8] == word(first, 0).to_le_bytes()
        && bytes[end..] == word(last, BLOCK as u64 / 8 - 1).to_le_bytes()
}

/// Whether all bytes of a read are those of the file.
pub fn all_match(offset: u64, bytes: &[u8]) -> bool {
    let mut wanted = vec![0; BLOCK];
    bytes.chunks_exact(BLOCK).enumerate().all(|(index, block)| {
        fill(offset / BLOCK as u64 + index as u64, &mut wanted);
        block == wanted
    })
}

/// A file of `bytes`, removed with its folder.
pub struct DataFile {
    path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl DataFile {
    /// Writes the file into `folder`.
    ///
    /// # Errors
    /// That it cannot be written, or that the run was stopped.
    pub fn create(folder: &Path, bytes: u64) -> Result<Self, String> {
        let path = folder.join("data");
        let failed = |error: std::io::Error| {
            format!(
                "cannot write {} MiB of test data to {}: {error}",
                bytes >> 20,
                folder.display()
            )
        };
        let mut file = File::create(&path).map_err(failed)?;
        let mut chunk = vec![0; 1 << 20];
        for start in (0..bytes).step_by(chunk.len()) {
            if Stop::asked() {
                return Err(Stop::MESSAGE.into());
            }
            for (index, block) in chunk.chunks_exact_mut(BLOCK).enumerate() {
                fill(start / BLOCK as u64 + index as u64, block);
            }
            file.write_all(&chunk).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        Ok(DataFile { path, bytes })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is in memory: such files have no device, and io_uring hands
    /// their reads to worker threads.
    pub fn is_in_memory(&self) -> bool {
        const TMPFS: u64 = 0x0102_1994;
        const RAMFS: u64 = 0x8584_58f6;
        rustix::fs::statfs(&self.path)
            .is_ok_and(|found| [TMPFS, RAMFS].contains(&(found.f_type as u64)))
    }

    /// Opens it for reading; `direct`: with O_DIRECT.
    ///
    /// # Errors
    /// Those of open(2), as text.
    pub fn open(&self, direct: bool) -> Result<File, String> {
        OpenOptions::new()
            .read(true)
            .custom_flags(if direct { libc::O_DIRECT } else { 0 })
            .open(&self.path)
            .map_err(|error| format!("{}{error}", if direct { "O_DIRECT: " } else { "" }))
    }
}
