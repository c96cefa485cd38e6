use crate::Output;
pub(crate) fn generate() -> Vec<Output> {
    vec![]
}
