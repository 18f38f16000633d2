//! Rules: add the two simple kinds or any other, remove.

use super::{Edit, check_name};
use crate::{Error, Mode, Op, RULE_ERASURE, RULE_REPLICATED, RULES_MAX, Rule, Step};

/// A rule to be: from one root down, level by level, to a device in each of the last level's items.
#[derive(Clone, Copy, Debug)]
pub struct RuleShape<'a> {
    /// The bucket to start from, by name.
    pub root: &'a str,
    /// Only devices of this class.
    pub class: Option<&'a str>,
    /// How many of which type at each level, the widest first; 0 stands for as many as the pool has members.
    pub levels: &'a [(i32, &'a str)],
    /// Copies or shards.
    pub mode: Mode,
}

impl Edit<'_> {
    /// The rule Ceph makes for a pool: copies (firstn) or shards (indep), one in each `failure_domain` (a type's
    /// name), below `root`, on devices of `class` if given. Returns its id.
    ///
    /// # Errors
    /// A bad or taken name, an unknown root, type or class, no id left.
    pub fn add_simple_rule(
        &mut self,
        name: &str,
        root: &str,
        failure_domain: &str,
        class: Option<&str>,
        mode: Mode,
    ) -> Result<u32, Error> {
        self.add_shaped_rule(name, RuleShape { root, class, levels: &[(0, failure_domain)], mode })
    }

    /// Adds a rule that descends level by level; see [`RuleShape`]. Returns its id.
    ///
    /// # Errors
    /// A bad or taken name, an unknown root, type or class, no level, no id left.
    pub fn add_shaped_rule(&mut self, name: &str, shape: RuleShape<'_>) -> Result<u32, Error> {
        let RuleShape { root, class, levels, mode } = shape;
        let mut top = self.map.item_id(root).ok_or_else(|| Error::NoSuchName(root.to_owned()))?;
        if let Some(class) = class {
            self.map.rebuild_shadows()?;
            top = self.map.shadow(top, class).ok_or_else(|| Error::NoSuchClass(class.to_owned()))?;
        }
        let mut steps = Vec::new();
        if mode == Mode::Indep {
            steps.push(Step::new(Op::SetChooseleafTries, 5, 0));
            steps.push(Step::new(Op::SetChooseTries, 100, 0));
        }
        steps.push(Step::new(Op::Take, top, 0));
        for (place, (count, domain)) in levels.iter().enumerate() {
            let kind = self.map.type_id(domain).ok_or_else(|| Error::NoSuchType((*domain).to_owned()))?;
            let leaf = place + 1 == levels.len() && kind != 0;
            let choose = match (mode, leaf) {
                (Mode::Firstn, false) => Op::ChooseFirstn,
                (Mode::Firstn, true) => Op::ChooseleafFirstn,
                (Mode::Indep, false) => Op::ChooseIndep,
                (Mode::Indep, true) => Op::ChooseleafIndep,
            };
            steps.push(Step::new(choose, *count, kind));
        }
        steps.push(Step::new(Op::Emit, 0, 0));
        let (kind, min_size, max_size) = match mode {
            Mode::Firstn => (RULE_REPLICATED, 1, 10),
            Mode::Indep => (RULE_ERASURE, 3, 20),
        };
        self.add_rule(name, Rule { ruleset: 0, kind, min_size, max_size, steps })
    }

    /// Adds a rule at the lowest free id, which it returns; `rule.ruleset` is set to it.
    ///
    /// # Errors
    /// A bad or taken name, no id left.
    pub fn add_rule(&mut self, name: &str, mut rule: Rule) -> Result<u32, Error> {
        check_name(name)?;
        if self.map.rule_id(name).is_some() {
            return Err(Error::NameTaken(name.to_owned()));
        }
        let rules = &mut self.map.rules;
        let id = rules.iter().position(Option::is_none).unwrap_or(rules.len());
        if id >= RULES_MAX {
            return Err(Error::TooManyRules);
        }
        rule.ruleset = id as u8;
        if id == rules.len() {
            rules.push(None);
        }
        rules[id] = Some(rule);
        self.map.rule_names.set(id as i32, name);
        Ok(id as u32)
    }

    /// Removes a rule; its id becomes free. That no pool uses it is for the caller to know.
    ///
    /// # Errors
    /// An unknown rule.
    pub fn remove_rule(&mut self, id: u32) -> Result<(), Error> {
        let rule = self.map.rules.get_mut(id as usize).ok_or(Error::NoSuchRule(id))?;
        rule.take().ok_or(Error::NoSuchRule(id))?;
        self.map.rule_names.remove(id as i32);
        Ok(())
    }
}
