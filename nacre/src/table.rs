//! Plain tables: columns aligned, numbers to the right.

/// Lines of a table with a heading; columns that hold only numbers are aligned to the right.
pub(crate) fn render(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |i: usize| {
        rows.iter()
            .map(|r| r[i].chars().count())
            .chain([heading[i].chars().count()])
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let numeric: Vec<bool> = (0..heading.len())
        .map(|i| !rows.is_empty() && rows.iter().all(|r| r[i].starts_with(|c: char| c.is_ascii_digit())))
        .collect();
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (i, cell) in cells.enumerate() {
            let pad = " ".repeat(widths[i] - cell.chars().count());
            let gap = if i == 0 { "" } else { "  " };
            text += &if numeric[i] { format!("{gap}{pad}{cell}") } else { format!("{gap}{cell}{pad}") };
        }
        out += text.trim_end();
        out.push('\n');
    };
    line(&mut heading.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["a".into(), "7".into()], vec!["long".into(), "123".into()]];
        assert_eq!(render(&["NAME", "PGS"], &rows), "NAME  PGS\na       7\nlong  123\n");
    }
}
