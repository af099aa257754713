//! How a registry wants to know who asks: the header `WWW-Authenticate` (RFC 9110, section 11.6.1).

use ureq::http::Response;

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token from another server.
    Bearer {
        /// The server's URL.
        realm: String,
        /// What the token is for; may be empty.
        service: String,
    },
}

impl Challenge {
    /// The one that can be answered best, a token first.
    pub fn of<T>(response: &Response<T>) -> Option<Self> {
        let headers = response.headers().get_all("www-authenticate");
        let all: Vec<Self> =
            headers.iter().filter_map(|header| Self::parse(header.to_str().ok()?)).collect();
        let bearer = all.iter().find(|challenge| matches!(challenge, Self::Bearer { .. }));
        bearer.or_else(|| all.first()).cloned()
    }

    fn parse(header: &str) -> Option<Self> {
        let (scheme, parameters) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        let mut rest = parameters;
        while let Some((name, after)) = rest.split_once('=') {
            let name = name.trim_matches([' ', ',', '\t']);
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value.trim().to_owned()),
                "service" => service = Some(value.trim().to_owned()),
                _ => {}
            }
            rest = after;
        }
        Some(Self::Bearer { realm: realm?, service: service.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[&str]) -> Option<Challenge> {
        let mut response = Response::builder();
        for header in headers {
            response = response.header("WWW-Authenticate", *header);
        }
        Challenge::of(&response.body(()).unwrap())
    }

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: &str| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.into() })
        };
        let usual = "Bearer realm=\"https://auth.example/token\",service=\"reg\",scope=\"repository:a,b:pull\"";
        assert_eq!(of(&[usual]), bearer("https://auth.example/token", "reg"));
        assert_eq!(of(&["bearer scope=x, realm=\"u\""]), bearer("u", ""));
        assert_eq!(of(&["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(of(&["Basic realm=\"x\"", usual]), bearer("https://auth.example/token", "reg"));
        assert_eq!(of(&["Digest realm=\"x\""]), None);
        assert_eq!(of(&["Bearer service=\"x\""]), None);
        assert_eq!(of(&["Bearer realm=\"x"]), None);
        assert_eq!(of(&[]), None);
    }
}
