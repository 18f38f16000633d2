//! Reading documents from outside: one pass, bounded in depth and in the number of elements, no tree.

use crate::error::{Code, S3Error};
use quick_xml::Reader;
use quick_xml::events::Event;

/// No document of S3 is nested deeper.
const MAX_DEPTH: usize = 12;

/// Calls `on_end(path, text)` at the end of each element: the local names from below the root to it, and the
/// text directly in it. `MalformedXML` if the root is not `root`, if it is no well-formed UTF-8 XML, is nested
/// too deep, has more than `max_elements` elements, or has a document type (entities are never expanded).
pub(crate) fn walk(
    document: &[u8],
    root: &str,
    max_elements: usize,
    mut on_end: impl FnMut(&[String], &str) -> Result<(), S3Error>,
) -> Result<(), S3Error> {
    let malformed = || S3Error::new(Code::MalformedXML);
    let text = std::str::from_utf8(document).map_err(|_| malformed())?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    // The names and texts of the elements that are open, the root first.
    let mut names: Vec<String> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    let (mut elements, mut root_seen) = (0_usize, false);
    loop {
        match reader.read_event().map_err(|_| malformed())? {
            Event::Start(start) => {
                elements += 1;
                let name = start.local_name();
                let name = AsRef::<str>::as_ref(&name);
                let misplaced_root = names.is_empty() && (root_seen || name != root);
                if elements > max_elements || names.len() >= MAX_DEPTH || misplaced_root {
                    return Err(malformed());
                }
                root_seen = true;
                names.push(name.to_string());
                texts.push(String::new());
            }
            Event::End(_) => {
                let text = texts.pop().ok_or_else(malformed)?;
                if names.len() > 1 {
                    on_end(&names[1..], &text)?;
                }
                names.pop();
            }
            Event::Text(t) => add_text(&mut texts, &t.xml10_content())?,
            Event::CData(t) => add_text(&mut texts, &t.xml10_content())?,
            Event::GeneralRef(r) => {
                let c = match r.resolve_char_ref().map_err(|_| malformed())? {
                    Some(c) => c,
                    None => match &*r.xml10_content() {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => return Err(malformed()),
                    },
                };
                add_text(&mut texts, c.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(malformed()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Empty(_) => {}
            Event::Eof if root_seen && names.is_empty() => return Ok(()),
            Event::Eof => return Err(malformed()),
        }
    }
}

/// Text outside the root is only space.
fn add_text(texts: &mut [String], text: &str) -> Result<(), S3Error> {
    match texts.last_mut() {
        Some(t) => t.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(Code::MalformedXML.into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(document: &str) -> Result<Vec<String>, Code> {
        let mut seen = Vec::new();
        walk(document.as_bytes(), "R", 100, |path, text| {
            seen.push(format!("{}={text}", path.join("/")));
            Ok(())
        })
        .map_err(|e| e.code())?;
        Ok(seen)
    }

    #[test]
    fn elements_come_with_their_path_and_text() {
        let text = "<?xml version='1.0'?>\n<R xmlns='x'><a><b>1 &amp;&#x41;</b><c/></a><n:d><![CDATA[<>]]></n:d></R>\n";
        assert_eq!(of(text).unwrap(), ["a/b=1 &A", "a/c=", "a=", "d=<>"]);
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for bad in [
            "",
            " ",
            "<R>",
            "<R></S>",
            "<S/>",
            "<R/><R/>",
            "x<R/>",
            "<R/>x",
            "<R>&x;</R>",
            "<R><a></R></a>",
            "{}",
            "<!DOCTYPE R [<!ENTITY a 'b'>]><R>&a;</R>",
            "<R>&#xfffffff;</R>",
        ] {
            assert_eq!(of(bad), Err(Code::MalformedXML), "{bad}");
        }
        assert!(walk(b"<R>\xff</R>", "R", 1, |_, _| Ok(())).is_err());
    }

    #[test]
    fn bombs_are_refused_before_they_cost_anything() {
        let nested = format!("<R>{}", "<a>".repeat(1_000_000));
        assert_eq!(of(&nested), Err(Code::MalformedXML));
        let many = format!("<R>{}</R>", "<a/>".repeat(1_000_000));
        assert_eq!(of(&many), Err(Code::MalformedXML));
    }
}
