"""Breaks the engine's protocols one line at a time and sees loom find it.

    python3 crates/anyring-engine/tests/loom/mutants.py [WORD]

Each mutant is made in a copy of the workspace under target/mutants; with WORD
only those whose file or description contains it. A mutant that no model
refuses is an error.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[4]
COPY = ROOT / "target" / "mutants"
ENGINE = pathlib.Path("crates/anyring-engine")
TIMEOUT = 300

# File, what is broken, the line as it is, as it becomes, the model that refuses it.
MUTANTS = [
    ("os/lock.rs", "an unlock wakes nobody", "== CONTENDED {\n            self.0.wake(1);", "== 7 {\n            self.0.wake(1);", "the_lock_excludes"),
    ("os/lock.rs", "a woken thread forgets the other sleepers", "self.word.swap(CONTENDED, Ordering::Acquire)", "self.word.swap(HELD, Ordering::Acquire)", "the_lock_excludes"),
    ("os/lock.rs", "the lock is taken without acquiring", "compare_exchange(FREE, HELD, Ordering::Acquire,", "compare_exchange(FREE, HELD, Ordering::Relaxed,", "the_lock_excludes"),
    ("os/lock.rs", "the lock is taken after a sleep without acquiring", "swap(CONTENDED, Ordering::Acquire)", "swap(CONTENDED, Ordering::Relaxed)", "the_lock_excludes"),
    ("os/lock.rs", "the lock is freed without releasing", "swap(FREE, Ordering::Release)", "swap(FREE, Ordering::Relaxed)", "the_lock_excludes"),
    ("os/cells.rs", "a value is let go of while it is being taken", "if cell.readers.fetch_add(0, Ordering::AcqRel) == 0 {", "if true {", "what_is_found_is_there"),
    ("os/cells.rs", "who takes a value is not counted", "self.readers.fetch_add(1, Ordering::AcqRel);", "", "what_is_found_is_there"),
    ("os/cells.rs", "the value is looked at before the reader is counted", "self.readers.fetch_add(1, Ordering::AcqRel);\n        let value = self.value.load(Ordering::Acquire).cast_const();", "let value = self.value.load(Ordering::Acquire).cast_const();\n        self.readers.fetch_add(1, Ordering::AcqRel);", "what_is_found_is_there"),
    ("os/cells.rs", "the number is not looked at again", "!value.is_null() && self.key.load(Ordering::Relaxed) == key", "!value.is_null()", "what_is_found_is_there"),
    ("pool/queue.rs", "a job wakes nobody", "self.wake.wake(1);", "", "a_pool_of_one_does_all_jobs"),
    ("pool/queue.rs", "the word is not changed before the wake-up", "self.wake.fetch_add(1, Ordering::Release);", "", "a_pool_of_one_does_all_jobs"),
    ("pool/queue.rs", "idle threads are not counted", "jobs.idle += 1;", "", "a_pool_of_one_does_all_jobs"),
    ("pool/queue.rs", "the word is looked at after the queue", "self.wake.wait(seen, Some(IDLE_NANOS));", "self.wake.wait(self.wake.load(Ordering::Acquire), Some(IDLE_NANOS));", "a_pool_of_one_does_all_jobs"),
    ("pool/queue.rs", "a thread ends without a last look at the queue", "jobs.waiting.is_empty() && self.wake", "self.wake", "a_thread_that_ends_leaves_no_job"),
    ("pool/queue.rs", "a thread that ends is still counted", "jobs.threads -= 1;\n                return None;", "return None;", "a_thread_that_ends_leaves_no_job"),
    ("pool/queue.rs", "jobs that wait at the limit are not watched", "jobs.watched = watch().is_ok();", "let _ = &watch;", "a_blocked_thread_holds_up_nothing"),
    ("pool/queue.rs", "a stall adds no thread", "if jobs.taken == seen && jobs.idle == 0", "if false", "a_blocked_thread_holds_up_nothing"),
    ("pool/queue.rs", "a cancelled job is left in the queue", "jobs.waiting.remove(place)", "jobs.waiting.get(place).map(|job| unsafe { core::ptr::read(job) })", "a_job_is_done_or_cancelled"),
    ("ring/cq.rs", "the tail is published without releasing", "store(self.tail, Ordering::Release)", "store(self.tail, Ordering::Relaxed)", "completions_arrive_in_order"),
    ("ring/cq.rs", "the head is read without acquiring", "load(Ordering::Acquire)", "load(Ordering::Relaxed)", "completions_arrive_in_order"),
    ("ring/cq.rs", "the tail is published before the entry", "memory.put_cqe(self.tail, c.user_data, c.res, flags);", "memory.cq_tail().store(self.tail.wrapping_add(1), Ordering::Release);\n        memory.put_cqe(self.tail, c.user_data, c.res, flags);", "completions_arrive_in_order"),
    ("ring/cq.rs", "an overflow sets no flag", "set_flag(memory, IORING_SQ_CQ_OVERFLOW);", "", "completions_arrive_in_order"),
    ("ring/cq.rs", "the flag is cleared while completions wait", "return;\n                }\n                self.overflow.pop_front();", "break;\n                }\n                self.overflow.pop_front();", "completions_arrive_in_order"),
    ("ring/cq.rs", "a later completion overtakes those that wait", "if !self.overflow.is_empty() || !self.place(memory, &c, inside) {\n            self.keep", "if !self.place(memory, &c, inside) {\n            self.keep", "completions_arrive_in_order"),
    ("ring/sq.rs", "the tail is read without acquiring", "load(Ordering::Acquire)", "load(Ordering::Relaxed)", "submissions_arrive_in_order"),
    ("ring/sq.rs", "the head is published without releasing", "store(self.head, Ordering::Release)", "store(self.head, Ordering::Relaxed)", "submissions_arrive_in_order"),
    ("ring/sq.rs", "the head is published before the entry is copied", "let sqe = slot.map(|slot| memory.sqe(slot));", "memory.sq_head().store(self.head, Ordering::Release);\n        let sqe = slot.map(|slot| memory.sqe(slot));", "submissions_arrive_in_order"),
    ("ring/sq.rs", "no fence before the last look at the tail", "fence(Ordering::SeqCst);", "fence(Ordering::AcqRel);", "sqpoll_wakes_up"),
    ("ring/sq.rs", "no last look at the tail", "self.ready(memory) == 0\n    }\n}", "true\n    }\n}", "sqpoll_wakes_up"),
    ("ring/sq.rs", "the flag is set after the last look", "        set_flag(memory, IORING_SQ_NEED_WAKEUP);\n        fence(Ordering::SeqCst);\n        self.ready(memory) == 0", "        let empty = self.ready(memory) == 0;\n        fence(Ordering::SeqCst);\n        set_flag(memory, IORING_SQ_NEED_WAKEUP);\n        empty", "sqpoll_wakes_up"),
    ("ring/driver_policy.rs", "a ring with requests that nobody looks after is not noticed", "now.pending || now.signalled", "now.signalled", "a_ring_"),
    ("ring/driver_policy.rs", "a readable ring is not noticed while the driver sleeps", "DriverPolicy::Armed | DriverPolicy::Left => now.signalled", "DriverPolicy::Armed => false,\n            DriverPolicy::Left => now.signalled", "a_ring_is_unread_"),
    ("ring/driver_policy.rs", "a readable ring is not noticed while a thread waits in it", "DriverPolicy::Armed | DriverPolicy::Left => now.signalled", "DriverPolicy::Left => false,\n            DriverPolicy::Armed => now.signalled", "a_ring_is_unread_"),
    ("ring/driver_policy.rs", "the driver does not unread beside a waiter", "if now.signalled {\n                // Others", "if false {\n                // Others", "a_ring_is_unread_"),
    ("ring/driver_policy.rs", "the end of a wait hands nothing over", "*self = DriverPolicy::None;", "", "a_ring_"),
    ("ring/driver_policy.rs", "the driver lets go of a ring that was just left", "now.waiting && !now.signalled", "!now.signalled", "a_ring_"),
    ("ring/driver_policy.rs", "the driver goes back to sleep without arming", "self.armed = false;", "", "a_ring_"),
    ("ring/driver_policy.rs", "the driver leaves a waiter and does not come back", "} else {\n            self.again();", "} else {", "a_ring_"),
    ("ring/driver_policy.rs", "the decision is that of an earlier look", "self.policy = self.ring.hold(|policy, now| {\n            if !now.gone", "let old = self.ring.hold(|_, now| *now);\n        self.policy = self.ring.hold(|policy, _| {\n            let now = &old;\n            if !now.gone", "a_ring_"),
    ("wait/sqpoll_idle.rs", "the wake_word is looked at after the queue", "ring.wake_word().wait(seen, Some(SLEEP_NANOS));", "ring.wake_word().wait(ring.wake_word().load(Ordering::Acquire), Some(SLEEP_NANOS));", "sqpoll_"),
    ("wait/sqpoll_idle.rs", "a wake-up does not change the wake_word", "ring.wake_word().fetch_add(1, Ordering::Release);", "", "sqpoll_"),
    ("wait/sqpoll_idle.rs", "a wake-up wakes nobody", "ring.wake_word().wake(u32::MAX);", "", "sqpoll_wakes_up"),
]


def prepare():
    for name in ["Cargo.toml", "Cargo.lock", "rustfmt.toml"]:
        COPY.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name)
    # With times of now: cargo would take what an earlier run left for newer.
    shutil.copytree(ROOT / "crates", COPY / "crates", copy_function=shutil.copy, dirs_exist_ok=True)


def refused(test):
    """Whether a model refuses what stands in the copy now."""
    command = ["cargo", "test", "--quiet", "--locked", "--package", "anyring-engine", "--test", "loom"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(COPY / "target"), "RUST_BACKTRACE": "0"}
    built = subprocess.run([*command, "--no-run"], cwd=COPY, env=environment, capture_output=True, text=True)
    if built.returncode != 0:
        sys.exit(f"a mutant does not compile:\n{built.stderr}")
    # A mutant may also run in circles for ever: that is no success either.
    try:
        ran = subprocess.run([*command, "--", test], cwd=COPY, env=environment, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return True
    return ran.returncode != 0


def main():
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    prepare()
    if refused(""):
        sys.exit("the models refuse the engine as it is")
    unnoticed = 0
    for name, what, before, after, test in MUTANTS:
        if word not in name and word not in what:
            continue
        path = ENGINE / "src" / name
        text = (ROOT / path).read_text()
        if before not in text:
            sys.exit(f"{name}: {before!r} is not there any more")
        (COPY / path).write_text(text.replace(before, after))
        noticed = refused(test)
        (COPY / path).write_text(text)
        unnoticed += not noticed
        print(f"{'refused' if noticed else 'NOT NOTICED'}: {name}: {what} ({test})", flush=True)
    sys.exit(1 if unnoticed else 0)


if __name__ == "__main__":
    main()
