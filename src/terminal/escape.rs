//! The escape key of lxc-console: the key and `q` leave, the key twice is the key itself, any other
//! key after it is passed on alone.

/// Watches typed bytes for the escape key.
#[derive(Clone, Copy, Debug)]
pub struct Escape {
    key: u8,
    pressed: bool,
}

/// What is to be done with typed bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Typed {
    /// What is passed on.
    pub passed: Vec<u8>,
    /// Whether the user wants to leave.
    pub leave: bool,
}

impl Escape {
    /// Watches for the control character of a letter: `a` and `^a` are Ctrl-a. `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let letter = text.strip_prefix('^').unwrap_or(text);
        let [letter] = letter.as_bytes() else { return None };
        let key = letter.is_ascii_alphabetic().then_some(letter & 0x1f)?;
        Some(Self { key, pressed: false })
    }

    /// Watches for the control character `key`, 1 for Ctrl-a. `None` if it is that of no letter.
    pub fn of_key(key: u8) -> Option<Self> {
        (1..=26).contains(&key).then_some(Self { key, pressed: false })
    }

    /// The letter of the key.
    pub fn letter(self) -> char {
        char::from(self.key | 0x60)
    }

    /// Sorts what was typed.
    pub fn filter(&mut self, typed: &[u8]) -> Typed {
        let mut passed = Vec::with_capacity(typed.len());
        for byte in typed {
            if self.pressed {
                self.pressed = false;
                if *byte == b'q' {
                    return Typed { passed, leave: true };
                }
                passed.push(*byte);
            } else if *byte == self.key {
                self.pressed = true;
            } else {
                passed.push(*byte);
            }
        }
        Typed { passed, leave: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(escape: &mut Escape, bytes: &[u8]) -> (Vec<u8>, bool) {
        let Typed { passed, leave } = escape.filter(bytes);
        (passed, leave)
    }

    #[test]
    fn key_and_q_leave_also_when_read_apart() {
        let mut escape = Escape::parse("a").unwrap();
        assert_eq!(typed(&mut escape, b"ls\x01"), (b"ls".to_vec(), false));
        assert_eq!(typed(&mut escape, b"qrest"), (Vec::new(), true));
    }

    #[test]
    fn key_twice_is_the_key_and_others_go_alone() {
        let mut escape = Escape::parse("^b").unwrap();
        assert_eq!(typed(&mut escape, b"\x02\x02x\x02yq"), (b"\x02xyq".to_vec(), false));
        assert_eq!(escape.letter(), 'b');
        assert!(Escape::parse("").is_none() && Escape::parse("^^").is_none());
    }
}
