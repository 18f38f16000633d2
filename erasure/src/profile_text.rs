//! Profiles as text, by Ceph's names: `plugin=isa technique=reed_sol_van k=4 m=2`.

use crate::{Profile, ProfileError, Technique};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

impl Profile {
    /// Ceph's name of the plugin.
    pub fn plugin_name(self) -> &'static str {
        match self.technique() {
            Technique::IsaVandermonde | Technique::IsaCauchy => "isa",
            Technique::JerasureVandermonde => "jerasure",
            Technique::Local { .. } => "lrc",
        }
    }

    /// Ceph's name of the technique; lrc has none.
    pub fn technique_name(self) -> Option<&'static str> {
        match self.technique() {
            Technique::IsaVandermonde | Technique::JerasureVandermonde => Some("reed_sol_van"),
            Technique::IsaCauchy => Some("cauchy"),
            Technique::Local { .. } => None,
        }
    }
}

impl fmt::Display for Profile {
    /// What [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin={}", self.plugin_name())?;
        if let Some(technique) = self.technique_name() {
            write!(f, " technique={technique}")?;
        }
        write!(f, " k={} m={}", self.k(), self.m())?;
        match self.technique() {
            Technique::Local { l } => write!(f, " l={l}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    /// `NAME=VALUE`, separated by spaces or commas. `plugin` is `isa` when nobody says, and without a technique `isa`
    /// takes `reed_sol_van`, as in Ceph. `w=8` is accepted where jerasure has it.
    fn from_str(text: &str) -> Result<Profile, ProfileError> {
        let mut settings = Settings::read(text)?;
        let plugin = settings.take("plugin").unwrap_or("isa");
        let technique = settings.take("technique");
        let (k, m) = (settings.number("k")?, settings.number("m")?);
        let no = |plugin, offered| {
            let technique = technique.unwrap_or_default().to_owned();
            Err(ProfileError::Technique { plugin, technique, offered })
        };
        let technique = match (plugin, technique) {
            ("isa", None | Some("reed_sol_van")) => Technique::IsaVandermonde,
            ("isa", Some("cauchy")) => Technique::IsaCauchy,
            ("isa", Some(_)) => return no("isa", "reed_sol_van and cauchy"),
            ("jerasure", None | Some("reed_sol_van")) => {
                if settings.take("w").is_some_and(|w| w != "8") {
                    return Err(ProfileError::Value("w (only 8)".to_owned()));
                }
                Technique::JerasureVandermonde
            }
            ("jerasure", Some(_)) => return no("jerasure", "reed_sol_van"),
            ("lrc", None) => Technique::Local { l: settings.number("l")? },
            ("lrc", Some(_)) => return no("lrc", "none: it layers jerasure's reed_sol_van"),
            (other, _) => return Err(ProfileError::Plugin(other.to_owned())),
        };
        settings.nothing_left()?;
        Profile::new(technique, k, m)
    }
}

/// The pairs that were not looked at yet.
struct Settings<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Settings<'a> {
    fn read(text: &'a str) -> Result<Settings<'a>, ProfileError> {
        let mut settings = BTreeMap::new();
        for word in text.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty()) {
            let pair = word.split_once('=').filter(|(_, value)| !value.is_empty());
            let (name, value) = pair.ok_or_else(|| ProfileError::Value(word.to_owned()))?;
            if settings.insert(name, value).is_some() {
                return Err(ProfileError::Value(word.to_owned()));
            }
        }
        Ok(Settings(settings))
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        self.0.remove(name)
    }

    fn number(&mut self, name: &'static str) -> Result<usize, ProfileError> {
        let value = self.take(name).ok_or(ProfileError::Missing(name))?;
        value.parse().map_err(|_| ProfileError::Value(format!("{name}={value}")))
    }

    fn nothing_left(&self) -> Result<(), ProfileError> {
        match self.0.keys().next() {
            Some(name) => Err(ProfileError::Setting((*name).to_owned())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "plugin=isa technique=reed_sol_van k=4 m=2",
            "plugin=isa technique=cauchy k=32 m=16",
            "plugin=jerasure technique=reed_sol_van k=8 m=3",
            "plugin=lrc k=4 m=2 l=3",
        ] {
            assert_eq!(text.parse::<Profile>().map(|p| p.to_string()).as_deref(), Ok(text));
        }
        let short: Profile = "m=2,k=4".parse().unwrap();
        assert_eq!(short.to_string(), "plugin=isa technique=reed_sol_van k=4 m=2");
        assert!("plugin=jerasure,k=4,m=2,w=8".parse::<Profile>().is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |text: &str| text.parse::<Profile>().unwrap_err();
        assert_eq!(refused("plugin=clay k=4 m=2"), ProfileError::Plugin("clay".into()));
        assert!(matches!(refused("plugin=isa technique=x k=4 m=2"), ProfileError::Technique { .. }));
        assert!(matches!(
            refused("plugin=jerasure technique=cauchy_good k=4 m=2"),
            ProfileError::Technique { .. }
        ));
        assert!(matches!(
            refused("plugin=lrc technique=reed_sol_van k=4 m=2 l=3"),
            ProfileError::Technique { .. }
        ));
        assert_eq!(refused("k=4"), ProfileError::Missing("m"));
        assert_eq!(refused("plugin=lrc k=4 m=2"), ProfileError::Missing("l"));
        assert_eq!(refused("k=4 m=2 l=3"), ProfileError::Setting("l".into()));
        assert_eq!(refused("k=4 k=5 m=2"), ProfileError::Value("k=5".into()));
        assert_eq!(refused("k=-4 m=2"), ProfileError::Value("k=-4".into()));
        assert_eq!(refused("k=4 m="), ProfileError::Value("m=".into()));
        assert!(matches!(refused("plugin=jerasure k=4 m=2 w=16"), ProfileError::Value(_)));
    }
}
