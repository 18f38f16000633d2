//! Mutations of CRUSH's text form: words change places, numbers grow past their bounds, names meet their namesakes.

use stdx::Rng;

/// Words that mean something somewhere.
const WORDS: [&str; 26] = [
    "-1",
    "0",
    "1",
    "100.001",
    "65535",
    "4294967296",
    "-2147483648",
    "99999999999999999999",
    "nan",
    "{",
    "}",
    "[",
    "]",
    "item",
    "id",
    "step",
    "take",
    "emit",
    "choose",
    "firstn",
    "default",
    "default~ssd",
    "class",
    "choose_args",
    "\u{e9}\u{1f41a}",
    "#",
];
/// As in `mutate`.
const BYTES_MAX: usize = 1 << 16;

/// Changes a few words or bytes of `text`; `other` is another sound text to take lines from.
pub(crate) fn words(text: Vec<u8>, other: &[u8], rng: &mut Rng) -> Vec<u8> {
    if rng.chance(1, 8) {
        return crate::mutate::bytes(text, other, rng);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let other = String::from_utf8_lossy(other).into_owned();
    let mut lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let strange: Vec<Vec<&str>> = other.lines().map(|line| line.split_whitespace().collect()).collect();
    for _ in 0..rng.below(5) {
        one(&mut lines, &strange, rng);
    }
    let lines: Vec<String> = lines.iter().map(|line| line.join(" ")).collect();
    let mut bytes = lines.join("\n").into_bytes();
    bytes.truncate(BYTES_MAX);
    bytes
}

fn one<'a>(lines: &mut Vec<Vec<&'a str>>, strange: &[Vec<&'a str>], rng: &mut Rng) {
    let line = |lines: &[Vec<&str>], rng: &mut Rng| rng.below(lines.len().max(1) as u64) as usize;
    let at = line(lines, rng);
    if at >= lines.len() {
        return;
    }
    match rng.below(8) {
        0 => drop(lines.remove(at)),
        1 => {
            let to = line(lines, rng);
            let copy = lines[at].clone();
            lines.insert(to, copy);
        }
        2 => {
            let to = line(lines, rng);
            lines.swap(at, to);
        }
        3 => {
            if let Some(other) = strange.get(line(strange, rng)) {
                lines.insert(at, other.clone());
            }
        }
        4 => lines.truncate(at),
        kind => {
            // A word gives way to a telling one, or to one from elsewhere in the text.
            let from = line(lines, rng);
            let pick = |words: &[&'a str], rng: &mut Rng| {
                words.get(rng.below(words.len().max(1) as u64) as usize).copied()
            };
            let word = if kind == 5 { pick(&lines[from], rng) } else { pick(&WORDS, rng) };
            let place = rng.below(lines[at].len().max(1) as u64) as usize;
            if let (Some(word), Some(old)) = (word, lines[at].get_mut(place)) {
                *old = word;
            }
        }
    }
}
