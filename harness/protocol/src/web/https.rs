use url::Url;

/// A URL of `https`, without a user.
///
/// # Errors
/// A human-readable error: it is none.
pub fn https(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if url.scheme() != "https" => Err(format!("{text:?} is no URL of https")),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(format!("{text:?} names a user"))
        }
        Ok(url) => Ok(url),
        Err(why) => Err(format!("{text:?} is no URL of https: {why}")),
    }
}
