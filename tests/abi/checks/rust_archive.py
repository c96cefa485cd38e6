"""The archives link beside another Rust archive that has std and unwinds."""

from common import Context, Skip, command, ends_well, have

OTHER = """
#[no_mangle]
pub extern "C" fn other_rust_library() -> i32 {
    let words: Vec<String> = "a b c".split(' ').map(str::to_owned).collect();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| {
        if words.len() == 3 {
            panic!("unwinds");
        }
    });
    if caught.is_err() { words.len() as i32 } else { -1 }
}
"""

MAIN = """
#include <liburing.h>
#include <stdio.h>
#ifdef __cplusplus
extern "C"
#endif
int other_rust_library(void);
int main(void)
{
	struct io_uring ring;
	struct io_uring_params params = {0};
	int other = other_rust_library(), ret = io_uring_queue_init_params(2, &ring, &params);

	if (!ret)
		io_uring_queue_exit(&ring);
	printf("%d, %d.%d, %d\\n", other, io_uring_major_version(), io_uring_minor_version(), ret);
	return other != 3 || io_uring_major_version() != 2;
}
"""

# What Rust's std needs of the system, as `rustc --print native-static-libs` has it.
NATIVE = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]


def run(context: Context) -> None:
    if not have("rustc"):
        raise Skip("rustc is not installed")
    other = context.build / "libother.a"
    done = command("rustc", "--edition", "2021", "--crate-type", "staticlib", "-C", "panic=unwind",
                   context.write("other.rs", OTHER), "-o", other)
    context.check("the other Rust archive", done.stdout if done.returncode else "")
    if done.returncode:
        return
    for compiler in context.compilers:
        source = context.write(f"both{compiler.suffix}", MAIN)
        for ours in ("liburing.a", "liburing-ffi.a"):
            archive = context.libdir / ours
            whole = ["-Wl,--whole-archive", archive, "-Wl,--no-whole-archive"]
            for title, archives in (("first", [archive, other]), ("last", [other, archive]),
                                    ("whole", [*whole, other])):
                program = context.build / "both"
                done = command(compiler.command, "-w", context.flag(), source, "-o", program, *archives, *NATIVE)
                context.check(f"{ours} {title} beside another Rust archive, {compiler.command}",
                              done.stdout if done.returncode else ends_well(program))
