use serde_json::{Number, Value};

/// The key of a value that is computed: `{"sum": ["$rate", 1]}`.
pub(crate) const SUM: &str = "sum";

/// What `{"sum": [..]}` stands for once its names are replaced. `None` if the value is no such
/// object.
///
/// # Errors
/// A sentence for people: what is added is no list of integers, or the sum is none that a field
/// can hold.
pub(crate) fn sum(value: &Value) -> Option<Result<Value, String>> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    Some(added(object.get(SUM)?))
}

fn added(terms: &Value) -> Result<Value, String> {
    let integer = |term: &Value| {
        let unsigned = term.as_u64().map(i128::from);
        unsigned.or_else(|| term.as_i64().map(i128::from))
    };
    let terms = terms.as_array().filter(|terms| !terms.is_empty());
    let integers = terms.and_then(|terms| terms.iter().map(integer).collect::<Option<Vec<_>>>());
    let integers = integers.ok_or("`sum` takes a list of integers")?;
    let total = integers.into_iter().try_fold(0, i128::checked_add);
    let total = total.and_then(|total| u64::try_from(total).ok());
    total
        .map(|total| Value::Number(Number::from(total)))
        .ok_or_else(|| "the sum does not fit into 64 bits without a sign".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_added_and_taken_off() {
        assert_eq!(sum(&json!({ "sum": [50, 1] })), Some(Ok(json!(51))));
        assert_eq!(sum(&json!({ "sum": [50, -1] })), Some(Ok(json!(49))));
        assert_eq!(
            sum(&json!({ "sum": [u64::MAX, -1] })),
            Some(Ok(json!(u64::MAX - 1)))
        );
    }

    #[test]
    fn what_is_no_sum_of_integers_is_an_error() {
        for value in [
            json!([]),
            json!(1),
            json!(["1"]),
            json!([1.5]),
            json!([1, null]),
        ] {
            let error = sum(&json!({ "sum": value })).unwrap().unwrap_err();
            assert_eq!(error, "`sum` takes a list of integers");
        }
        for value in [json!([1, -2]), json!([u64::MAX, 1])] {
            let error = sum(&json!({ "sum": value })).unwrap().unwrap_err();
            assert!(error.contains("does not fit"), "{error}");
        }
    }

    #[test]
    fn other_objects_are_left_alone() {
        assert_eq!(sum(&json!({ "hex": "00" })), None);
        assert_eq!(sum(&json!({ "sum": [1], "hex": "00" })), None);
        assert_eq!(sum(&json!(["sum"])), None);
    }
}
