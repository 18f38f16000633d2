//! Map to text, as `crushtool -d` of Ceph 16.2 prints it.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use super::rule_block::setter_name;
use crate::rule::{RULE_MSR_FIRSTN, RULE_MSR_INDEP};
use crate::{Alg, Bucket, ChooseArg, CrushMap, Error, Op, RULE_ERASURE, RULE_REPLICATED, Rule, Tunables};

/// A 16.16 number with three decimals, in single precision and signed as in Ceph.
struct Fixed(u32);

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", f64::from(self.0 as i32 as f32 / 65536.0))
    }
}

impl CrushMap {
    /// The text form. Weights have three decimals, as Ceph prints them: finer ones do not survive.
    ///
    /// # Errors
    /// [`Error::Cycle`], because buckets are printed below-first.
    pub fn decompile(&self) -> Result<String, Error> {
        let mut out = String::new();
        let printed = self.print_header(&mut out);
        debug_assert!(printed.is_ok(), "a String takes all that is written to it");
        self.print_buckets(&mut out)?;
        let printed = self.print_rules(&mut out);
        debug_assert!(printed.is_ok(), "a String takes all that is written to it");
        Ok(out)
    }

    fn print_header(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "# begin crush map")?;
        let (is, legacy) = (&self.tunables, Tunables::LEGACY);
        let named = [
            ("choose_local_tries", is.choose_local_tries, legacy.choose_local_tries),
            (
                "choose_local_fallback_tries",
                is.choose_local_fallback_tries,
                legacy.choose_local_fallback_tries,
            ),
            ("choose_total_tries", is.choose_total_tries, legacy.choose_total_tries),
            ("chooseleaf_descend_once", is.chooseleaf_descend_once, legacy.chooseleaf_descend_once),
            ("chooseleaf_vary_r", is.chooseleaf_vary_r.into(), legacy.chooseleaf_vary_r.into()),
            ("chooseleaf_stable", is.chooseleaf_stable.into(), legacy.chooseleaf_stable.into()),
            ("straw_calc_version", is.straw_calc_version.into(), legacy.straw_calc_version.into()),
            ("allowed_bucket_algs", is.allowed_bucket_algs, legacy.allowed_bucket_algs),
        ];
        for (name, value, _) in named.iter().filter(|(_, value, legacy)| value != legacy) {
            writeln!(out, "tunable {name} {}", *value as i32)?;
        }
        for (name, value) in
            [("msr_descents", is.msr_descents), ("msr_collision_tries", is.msr_collision_tries)]
        {
            if let Some(value) = value {
                writeln!(out, "tunable {name} {value}")?;
            }
        }
        writeln!(out, "\n# devices")?;
        for (id, name) in self.names.iter().filter(|(id, _)| (0..self.max_devices).contains(id)) {
            write!(out, "device {id} {name}")?;
            if let Some(class) = self.device_class(id) {
                write!(out, " class {class}")?;
            }
            writeln!(out)?;
        }
        writeln!(out, "\n# types")?;
        if self.types.name(0).is_none() && self.types.iter().len() > 0 {
            writeln!(out, "type 0 osd")?;
        }
        for (number, name) in self.types.iter() {
            writeln!(out, "type {number} {name}")?;
        }
        writeln!(out, "\n# buckets")
    }

    /// Each bucket after those it holds, starting from id -1.
    fn print_buckets(&self, out: &mut String) -> Result<(), Error> {
        let mut done = BTreeSet::new();
        for top in self.buckets() {
            // A stack of (bucket, next item), so that depth costs no call stack.
            let mut stack: Vec<(&Bucket, usize)> = vec![(top, 0)];
            let mut open = BTreeSet::from([top.id]);
            if done.contains(&top.id) {
                continue;
            }
            while let Some((bucket, next)) = stack.last_mut() {
                let Some(item) = bucket.items.get(*next) else {
                    let printed = self.print_bucket(out, bucket);
                    debug_assert!(printed.is_ok(), "a String takes all that is written to it");
                    open.remove(&bucket.id);
                    done.insert(bucket.id);
                    stack.pop();
                    continue;
                };
                *next += 1;
                if open.contains(item) {
                    return Err(Error::Cycle { bucket: *item });
                }
                if let Some(child) = self.bucket(*item).filter(|child| !done.contains(&child.id)) {
                    open.insert(child.id);
                    stack.push((child, 0));
                }
            }
        }
        Ok(())
    }

    fn print_bucket(&self, out: &mut String, bucket: &Bucket) -> fmt::Result {
        if self.is_shadow(bucket.id) {
            return Ok(());
        }
        writeln!(out, "{} {} {{", self.type_word(bucket.kind()), self.item_word(bucket.id))?;
        writeln!(out, "\tid {}\t\t# do not change unnecessarily", bucket.id)?;
        for (class, shadow) in self.shadows.get(&bucket.id).into_iter().flatten() {
            let class = self.classes.name(*class).unwrap_or_default();
            writeln!(out, "\tid {shadow} class {class}\t\t# do not change unnecessarily")?;
        }
        writeln!(out, "\t# weight {}", Fixed(bucket.weight))?;
        let note = match bucket.alg() {
            Alg::Uniform => format!("\t# do not change bucket size ({}) unnecessarily", bucket.items.len()),
            Alg::List => "\t# add new items at the end; do not change order unnecessarily".to_owned(),
            Alg::Tree => "\t# do not change pos for existing items unnecessarily".to_owned(),
            Alg::Straw | Alg::Straw2 => String::new(),
        };
        writeln!(out, "\talg {}{note}", bucket.alg().name())?;
        let hash = if bucket.hash == 0 { "rjenkins1" } else { "unknown" };
        writeln!(out, "\thash {}\t# {hash}", bucket.hash)?;
        let positions = matches!(bucket.alg(), Alg::Uniform | Alg::Tree);
        for (position, item) in bucket.items.iter().enumerate() {
            write!(out, "\titem {} weight {}", self.item_word(*item), Fixed(bucket.item_weight(position)))?;
            if positions {
                write!(out, " pos {position}")?;
            }
            writeln!(out)?;
        }
        writeln!(out, "}}")
    }

    fn print_rules(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n# rules")?;
        for (id, rule) in self.rules() {
            self.print_rule(out, id, rule)?;
        }
        if !self.choose_args.is_empty() {
            writeln!(out, "\n# choose_args")?;
        }
        for (number, set) in &self.choose_args {
            writeln!(out, "choose_args {number} {{")?;
            for (bucket, arg) in set.iter().rev() {
                print_choose_arg(out, *bucket, arg)?;
            }
            writeln!(out, "}}")?;
        }
        writeln!(out, "\n# end crush map")
    }

    fn print_rule(&self, out: &mut String, id: u32, rule: &Rule) -> fmt::Result {
        writeln!(out, "rule {} {{", self.rule_name(id).unwrap_or_default())?;
        writeln!(out, "\tid {id}")?;
        if u32::from(rule.ruleset) != id {
            let ruleset = rule.ruleset;
            writeln!(
                out,
                "\t# WARNING: ruleset {ruleset} != id {id}; this will not recompile to the same map"
            )?;
        }
        match rule.kind {
            RULE_REPLICATED => writeln!(out, "\ttype replicated")?,
            RULE_ERASURE => writeln!(out, "\ttype erasure")?,
            RULE_MSR_FIRSTN => writeln!(out, "\ttype msr_firstn")?,
            RULE_MSR_INDEP => writeln!(out, "\ttype msr_indep")?,
            other => writeln!(out, "\ttype {other}")?,
        }
        writeln!(out, "\tmin_size {}\n\tmax_size {}", rule.min_size, rule.max_size)?;
        for step in &rule.steps {
            let (one, two) = (step.arg1, step.arg2);
            let choose = match step.op {
                Op::ChooseFirstn => "choose firstn",
                Op::ChooseIndep => "choose indep",
                Op::ChooseleafFirstn => "chooseleaf firstn",
                Op::ChooseleafIndep => "chooseleaf indep",
                Op::ChooseMsr => "choosemsr",
                Op::Noop => {
                    writeln!(out, "\tstep noop")?;
                    continue;
                }
                Op::Emit => {
                    writeln!(out, "\tstep emit")?;
                    continue;
                }
                Op::Take => {
                    writeln!(out, "\tstep take {}", self.take_words(one))?;
                    continue;
                }
                // Ceph prints nothing for a step that it does not know.
                other => {
                    if let Some(name) = setter_name(other) {
                        writeln!(out, "\tstep {name} {one}")?;
                    }
                    continue;
                }
            };
            writeln!(out, "\tstep {choose} {one} type {}", self.type_word(two))?;
        }
        writeln!(out, "}}")
    }

    /// `root`, or `root class ssd` for a shadow.
    fn take_words(&self, item: i32) -> String {
        let name = self.item_word(item);
        match name.split_once('~') {
            Some((original, class)) if self.is_shadow(item) => format!("{original} class {class}"),
            _ => name,
        }
    }

    fn type_word(&self, kind: i32) -> String {
        match self.type_name(kind) {
            Some(name) => name.to_owned(),
            None if kind == 0 => "device".to_owned(),
            None => format!("type{kind}"),
        }
    }

    fn item_word(&self, item: i32) -> String {
        match self.item_name(item) {
            Some(name) => name.to_owned(),
            None if item >= 0 => format!("device{item}"),
            None => format!("bucket{}", -1 - i64::from(item)),
        }
    }
}

fn print_choose_arg(out: &mut String, bucket: i32, arg: &ChooseArg) -> fmt::Result {
    if arg.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {{\n    bucket_id {bucket}")?;
    if !arg.weight_set.is_empty() {
        writeln!(out, "    weight_set [")?;
        for row in &arg.weight_set {
            write!(out, "      [ ")?;
            for weight in row {
                write!(out, "{} ", Fixed(*weight))?;
            }
            writeln!(out, "]")?;
        }
        writeln!(out, "    ]")?;
    }
    if !arg.ids.is_empty() {
        write!(out, "    ids [ ")?;
        for id in &arg.ids {
            write!(out, "{id} ")?;
        }
        writeln!(out, "]")?;
    }
    writeln!(out, "  }}")
}
