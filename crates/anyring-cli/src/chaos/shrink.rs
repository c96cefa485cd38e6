//! The fewest decisions with which a run still fails (delta debugging).

/// A part of `all` of which no element can be left out; `fails` says whether a run with
/// these still fails.
pub(super) fn shrink<T: Clone, E>(
    all: &[T],
    mut fails: impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    let mut left = all.to_vec();
    let mut size = left.len().div_ceil(2);
    while size > 0 && !left.is_empty() {
        let (mut at, mut found) = (0, false);
        while at < left.len() {
            let end = (at + size).min(left.len());
            let fewer: Vec<T> = left[..at].iter().chain(&left[end..]).cloned().collect();
            if fails(&fewer)? {
                left = fewer;
                found = true;
            } else {
                at = end;
            }
        }
        // One by one until nothing can be left out any more.
        if size > 1 {
            size = size.div_ceil(2).min(size - 1);
        } else if !found {
            break;
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of `0..count` if a run fails with all of `needed`.
    fn left(count: u32, needed: &[u32]) -> Vec<u32> {
        let all: Vec<u32> = (0..count).collect();
        let fails = |some: &[u32]| Ok::<_, ()>(needed.iter().all(|one| some.contains(one)));
        shrink(&all, fails).unwrap()
    }

    #[test]
    fn what_is_needed_is_left() {
        for needed in [&[][..], &[0], &[99], &[3, 50, 98], &[0, 1, 2, 3]] {
            assert_eq!(left(100, needed), needed);
        }
        assert_eq!(left(1, &[0]), [0]);
        assert_eq!(left(0, &[]), Vec::<u32>::new());
    }

    #[test]
    fn nothing_can_be_left_out() {
        // Fails with two of any.
        let all: Vec<u32> = (0..33).collect();
        let left = shrink(&all, |some| Ok::<_, ()>(some.len() >= 2)).unwrap();
        assert_eq!(left.len(), 2);
    }
}
