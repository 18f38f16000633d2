//! Writing documents.

use bytes::Bytes;

/// A document under way.
pub(crate) struct Document {
    text: String,
    open: Vec<&'static str>,
}

impl Document {
    /// Starts a document of S3's namespace.
    pub(crate) fn new(root: &'static str) -> Document {
        Document::start(root, " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"")
    }
    /// Starts a document of no namespace, as errors are.
    pub(crate) fn plain(root: &'static str) -> Document {
        Document::start(root, "")
    }
    fn start(root: &'static str, attributes: &str) -> Document {
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}{attributes}>");
        Document { text, open: vec![root] }
    }

    /// Makes room for so many bytes more, where it is known that they come.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.text.reserve(bytes);
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, name: &'static str) -> &mut Document {
        self.open_with(name, "")
    }
    /// Opens an element with attributes, which are written as they are.
    pub(crate) fn open_with(&mut self, name: &'static str, attributes: &'static str) -> &mut Document {
        self.tag("<", name);
        self.text.pop();
        self.text.push_str(attributes);
        self.text.push('>');
        self.open.push(name);
        self
    }
    /// Closes the element opened last.
    pub(crate) fn close(&mut self) -> &mut Document {
        if let Some(name) = self.open.pop() {
            self.tag("</", name);
        }
        self
    }
    /// An element that holds only text.
    pub(crate) fn leaf(&mut self, name: &'static str, text: &str) -> &mut Document {
        self.tag("<", name);
        escape(text, &mut self.text);
        self.tag("</", name);
        self
    }
    /// An element that is there only if there is a text.
    pub(crate) fn leaf_if(&mut self, name: &'static str, text: Option<&str>) -> &mut Document {
        if let Some(text) = text {
            self.leaf(name, text);
        }
        self
    }
    /// Text in the element opened last.
    pub(crate) fn text(&mut self, text: &str) -> &mut Document {
        escape(text, &mut self.text);
        self
    }
    /// The document, all elements closed.
    pub(crate) fn finish(mut self) -> Bytes {
        while !self.open.is_empty() {
            self.close();
        }
        Bytes::from(self.text)
    }

    fn tag(&mut self, start: &str, name: &str) {
        self.text.push_str(start);
        self.text.push_str(name);
        self.text.push('>');
    }
}

/// Control characters go out as references. XML 1.0 has no way to write most of them; clients that
/// need such keys ask for `encoding-type=url`.
fn escape(text: &str, out: &mut String) {
    // Nearly every text: nothing to look at one by one.
    if !text.bytes().any(|b| b < 0x20 || matches!(b, b'&' | b'<' | b'>' | b'"')) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("&#x{:x};", u32::from(c))),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_closes_what_it_opened_and_escapes() {
        let mut d = Document::plain("A");
        d.open("B").leaf("C", "<\"&\r'").leaf_if("D", None).close().open_with("E", " x=\"1\"");
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<A><B><C>&lt;&quot;&amp;&#xd;'</C></B><E x=\"1\"></E></A>";
        assert_eq!(d.finish(), expected);
    }
}
