//! A rule's block: `rule NAME { id 0  type replicated  min_size 1  max_size 10  step ... }`.

use super::compile::Compiler;
use super::cursor::Cursor;
use super::token::Token;
use super::{Fault, TextError};
use crate::rule::{RULE_MSR_FIRSTN, RULE_MSR_INDEP};
use crate::{Op, RULE_ERASURE, RULE_REPLICATED, RULES_MAX, Rule, Step};

/// Steps of one number.
const SETTERS: [(&str, Op); 8] = [
    ("set_choose_tries", Op::SetChooseTries),
    ("set_choose_local_tries", Op::SetChooseLocalTries),
    ("set_choose_local_fallback_tries", Op::SetChooseLocalFallbackTries),
    ("set_chooseleaf_tries", Op::SetChooseleafTries),
    ("set_chooseleaf_vary_r", Op::SetChooseleafVaryR),
    ("set_chooseleaf_stable", Op::SetChooseleafStable),
    ("set_msr_descents", Op::SetMsrDescents),
    ("set_msr_collision_tries", Op::SetMsrCollisionTries),
];

/// The word of a step of one number.
pub(super) fn setter_name(op: Op) -> Option<&'static str> {
    SETTERS.iter().find(|(_, setter)| *setter == op).map(|(name, _)| *name)
}

impl Compiler {
    pub(super) fn rule(&mut self, cursor: &mut Cursor<'_, '_>) -> Result<(), TextError> {
        let rule = cursor.expect("rule")?;
        let name = if cursor.peek().word == "{" { None } else { Some(cursor.name("a rule name")?) };
        if let Some(name) = name
            && self.map.rule_id(name.word).is_some()
        {
            let fault = Fault::Duplicate { what: "rule", name: name.word.to_owned() };
            return Err(name.fault(fault));
        }
        cursor.expect("{")?;
        if cursor.accept("id").or_else(|| cursor.accept("ruleset")).is_none() {
            return Err(cursor.unexpected("'id'"));
        }
        let place = cursor.peek();
        let id = cursor.integer("a rule id", 0, RULES_MAX as i64 - 1)? as usize;
        if self.map.rules.get(id).is_some_and(Option::is_some) {
            return Err(place.fault(Fault::Duplicate { what: "rule", name: id.to_string() }));
        }
        cursor.expect("type")?;
        let word = cursor.name("'replicated' or 'erasure'")?;
        let kind = match word.word {
            "replicated" => RULE_REPLICATED,
            "erasure" => RULE_ERASURE,
            "msr_firstn" => RULE_MSR_FIRSTN,
            "msr_indep" => RULE_MSR_INDEP,
            other => {
                return Err(word.fault(Fault::Unknown { what: "rule type", name: other.to_owned() }));
            }
        };
        // Required by Ceph 16, optional in newer ones.
        let mut size = |word: &str, default: u8| match cursor.accept(word) {
            Some(_) => Ok(cursor.integer("a pool size", 0, 255)? as u8),
            None => Ok(default),
        };
        let (min_size, max_size) = (size("min_size", 1)?, size("max_size", 100)?);
        let mut steps = Vec::new();
        while cursor.accept("step").is_some() {
            steps.push(self.step(cursor, &rule)?);
        }
        if steps.is_empty() {
            return Err(cursor.unexpected("'step'"));
        }
        if cursor.accept("}").is_none() {
            return Err(cursor.unexpected("'step' or '}'"));
        }
        let rules = &mut self.map.rules;
        if id >= rules.len() {
            rules.resize(id + 1, None);
        }
        rules[id] = Some(Rule { ruleset: id as u8, kind, min_size, max_size, steps });
        if let Some(name) = name {
            self.map.rule_names.set(id as i32, name.word);
        }
        Ok(())
    }

    fn step(&self, cursor: &mut Cursor<'_, '_>, rule: &Token<'_>) -> Result<Step, TextError> {
        debug_assert_eq!(rule.word, "rule");
        let word = cursor.name("a step")?;
        if let Some((_, op)) = SETTERS.iter().find(|(name, _)| *name == word.word) {
            let value = cursor.integer("a value", 0, i64::from(i32::MAX))? as i32;
            return Ok(Step::new(*op, value, 0));
        }
        match word.word {
            "noop" => Ok(Step::new(Op::Noop, 0, 0)),
            "emit" => Ok(Step::new(Op::Emit, 0, 0)),
            "take" => self.take(cursor),
            "choose" | "chooseleaf" => {
                let leaf = word.word == "chooseleaf";
                let op = match (cursor.accept("firstn").is_some(), leaf) {
                    (true, false) => Op::ChooseFirstn,
                    (true, true) => Op::ChooseleafFirstn,
                    (false, leaf) => {
                        if cursor.accept("indep").is_none() {
                            return Err(cursor.unexpected("'firstn' or 'indep'"));
                        }
                        if leaf { Op::ChooseleafIndep } else { Op::ChooseIndep }
                    }
                };
                self.choose(cursor, op)
            }
            "choosemsr" => self.choose(cursor, Op::ChooseMsr),
            other => Err(word.fault(Fault::Unknown { what: "step", name: other.to_owned() })),
        }
    }

    fn choose(&self, cursor: &mut Cursor<'_, '_>, op: Op) -> Result<Step, TextError> {
        let count = cursor.integer("a count", i64::from(i32::MIN), i64::from(i32::MAX))? as i32;
        cursor.expect("type")?;
        let kind = cursor.name("a type")?;
        let number = self
            .types
            .get(kind.word)
            .copied()
            .ok_or_else(|| kind.fault(Fault::Undefined { what: "type", name: kind.word.to_owned() }))?;
        Ok(Step::new(op, count, number))
    }

    fn take(&self, cursor: &mut Cursor<'_, '_>) -> Result<Step, TextError> {
        let name = cursor.name("an item")?;
        let mut item = self
            .items
            .get(name.word)
            .copied()
            .ok_or_else(|| name.fault(Fault::Undefined { what: "item", name: name.word.to_owned() }))?;
        if cursor.accept("class").is_some() {
            let class = cursor.name("a class")?;
            item = self.map.shadow(item, class.word).ok_or_else(|| {
                class.fault(Fault::Undefined { what: "class", name: class.word.to_owned() })
            })?;
        }
        Ok(Step::new(Op::Take, item, 0))
    }
}
