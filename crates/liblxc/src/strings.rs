//! Texts and lists that go to C and come from there. What is given away is of `malloc`: the caller frees it.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use lxc_rs::{Error, Result};

/// The text at `pointer`; `None` if it is null or no UTF-8.
///
/// # Safety
///
/// `pointer` is null or points to a text that ends in NUL and outlives `'a`.
pub unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a str> {
    // SAFETY: as the caller promises.
    unsafe { bytes(pointer) }.and_then(|text| str::from_utf8(text).ok())
}

/// The text at `pointer`, which is an error without.
///
/// # Safety
///
/// As for [`text`].
pub unsafe fn required<'a>(pointer: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: as the caller promises.
    unsafe { text(pointer) }.ok_or_else(|| Error::new(format!("{what} is missing, or no UTF-8")))
}

/// The path at `pointer`; `None` if it is null.
///
/// # Safety
///
/// As for [`text`].
pub unsafe fn path<'a>(pointer: *const c_char) -> Option<&'a Path> {
    // SAFETY: as the caller promises.
    unsafe { bytes(pointer) }.map(|text| Path::new(OsStr::from_bytes(text)))
}

/// The words of a list, none of a null one.
///
/// # Safety
///
/// `list` is null or a list of texts that ends in a null pointer.
pub unsafe fn words(list: *const *const c_char) -> Vec<OsString> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: the list goes on up to a null pointer, where this ends.
    let each = (0..).map(|index| unsafe { *list.add(index) });
    // SAFETY: each of them is a text.
    each.map_while(|word| unsafe { bytes(word) })
        .map(|word| OsStr::from_bytes(word).to_owned())
        .collect()
}

/// As [`words`]; each has to be UTF-8.
///
/// # Safety
///
/// As for [`words`].
pub unsafe fn texts(list: *const *const c_char) -> Result<Vec<String>> {
    // SAFETY: as the caller promises.
    let words = unsafe { words(list) }.into_iter();
    let checked = words.map(|word| {
        word.into_string().map_err(|word| Error::new(format!("{} is no UTF-8", word.display())))
    });
    checked.collect()
}

/// # Safety
///
/// As for [`text`].
unsafe fn bytes<'a>(pointer: *const c_char) -> Option<&'a [u8]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and as the caller promises.
    Some(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}

/// A copy of `text` for C; null if there is no memory, or a NUL in it.
pub fn give(text: impl Into<Vec<u8>>) -> *mut c_char {
    // SAFETY: strdup reads up to the NUL that a `CString` ends in.
    CString::new(text).map_or(ptr::null_mut(), |text| unsafe { libc::strdup(text.as_ptr()) })
}

/// A list of copies for C, which ends in a null pointer; null if there is no memory.
pub fn give_list(texts: impl IntoIterator<Item = String>) -> *mut *mut c_char {
    let copies = texts.into_iter().map(give).chain([ptr::null_mut()]);
    give_array(&copies.collect::<Vec<_>>())
}

/// An array of `items` for C; null if there is no memory.
pub fn give_array<T: Copy>(items: &[T]) -> *mut T {
    // SAFETY: malloc takes any size.
    let array = unsafe { libc::malloc(size_of_val(items).max(1)) }.cast::<T>();
    if !array.is_null() {
        // SAFETY: it has just got room for as many, and malloc aligns it for any type.
        unsafe { ptr::copy_nonoverlapping(items.as_ptr(), array, items.len()) };
    }
    array
}

/// Writes `text` to `buffer`, as far as there is room before a NUL. The answer is its whole length, so that
/// a caller without a buffer learns how large that has to be.
///
/// # Safety
///
/// `buffer` is null or has room for `length` bytes.
pub unsafe fn fill(text: &str, buffer: *mut c_char, length: c_int) -> Result<c_int> {
    let room = usize::try_from(length).unwrap_or(0);
    if !buffer.is_null() && room > 0 {
        let written = text.len().min(room - 1);
        // SAFETY: there is room for `written` bytes and one more, and `text` has as many.
        unsafe {
            ptr::copy_nonoverlapping(text.as_ptr().cast(), buffer, written);
            buffer.add(written).write(0);
        }
    }
    c_int::try_from(text.len()).map_err(|_| Error::new("the value is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_where_the_room_ends() {
        let mut buffer = [0x7f; 8];
        // SAFETY: there is as much room as is said.
        unsafe {
            assert_eq!(fill("four", ptr::null_mut(), 0).unwrap(), 4);
            assert_eq!(fill("four", buffer.as_mut_ptr(), 5).unwrap(), 4);
            assert_eq!(text(buffer.as_ptr()), Some("four"));
            assert_eq!(buffer[5], 0x7f);
            assert_eq!(fill("longer", buffer.as_mut_ptr(), 3).unwrap(), 6);
            assert_eq!(text(buffer.as_ptr()), Some("lo"));
        }
    }

    #[test]
    fn lists_end_in_null() {
        let given = give_list(["a".to_owned(), "b c".to_owned()]);
        // SAFETY: it was just made of three pointers, each of malloc.
        unsafe {
            assert_eq!(words(given.cast_const().cast()), ["a", "b c"]);
            for index in 0..3 {
                libc::free((*given.add(index)).cast());
            }
            libc::free(given.cast());
            assert_eq!(words(ptr::null()), Vec::<OsString>::new());
        }
        assert!(give("a\0b").is_null());
    }
}
