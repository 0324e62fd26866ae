//! A map whose values are slices of the text it was read from.

use super::check::is_too_deep;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A name read without a copy where it has no escapes.
#[derive(serde::Deserialize, PartialEq, PartialOrd)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Names in strictly increasing byte order, each with the JSON text of its value.
///
/// Reading refuses a name that is not greater than the one before, so duplicates cost
/// nothing to find. What is not touched is written back byte for byte.
#[derive(Default)]
pub struct RawMap<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'a> RawMap<'a> {
    fn at(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(key, _)| key.as_ref().cmp(name))
    }

    /// The JSON text under `name`.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        let at = self.at(name).ok()?;
        self.0.get(at).map(|(_, value)| value.as_ref())
    }

    /// Puts a value; the place of the name in the order is kept.
    pub fn put(&mut self, name: &str, value: Box<RawValue>) {
        match self.at(name) {
            Ok(at) => {
                if let Some(entry) = self.0.get_mut(at) {
                    entry.1 = Cow::Owned(value);
                }
            }
            Err(at) => self.0.insert(at, (Cow::Owned(name.to_owned()), Cow::Owned(value))),
        }
    }

    /// Takes an entry out.
    pub fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let at = self.at(name).ok()?;
        Some(self.0.remove(at).1.into_owned())
    }

    /// Appends an entry that is greater than all before; false if it is not.
    pub(super) fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, RawValue>) -> bool {
        let greater = self.0.last().is_none_or(|(last, _)| *last < name);
        if greater {
            self.0.push((name, value));
        }
        greater
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy that borrows nothing.
    pub fn to_static(&self) -> RawMap<'static> {
        let owned = |(name, value): &(Cow<'a, str>, Cow<'a, RawValue>)| {
            (Cow::Owned(name.clone().into_owned()), Cow::Owned(value.clone().into_owned()))
        };
        RawMap(self.0.iter().map(owned).collect())
    }
}

/// A map that is read when it is first needed: most commands never look into it.
pub enum LazyMap<'a> {
    /// As it stood.
    Text(&'a RawValue),
    /// Read.
    Map(RawMap<'a>),
}

impl Default for LazyMap<'_> {
    fn default() -> Self {
        Self::Map(RawMap::default())
    }
}

impl<'a> LazyMap<'a> {
    /// The map, read now if it was not.
    ///
    /// # Errors
    /// [`super::Error::Malformed`], counted from its own beginning.
    pub fn read(&mut self) -> Result<&mut RawMap<'a>, super::Error> {
        if let Self::Text(raw) = *self {
            *self = Self::Map(serde_json::from_str(raw.get())?);
        }
        match self {
            Self::Map(map) => Ok(map),
            Self::Text(_) => Err(super::Error::Malformed { line: 1, column: 1 }),
        }
    }

    /// A copy that borrows nothing.
    ///
    /// # Errors
    /// As [`LazyMap::read`].
    pub fn to_static(&self) -> Result<RawMap<'static>, super::Error> {
        match self {
            Self::Text(raw) => Ok(serde_json::from_str::<RawMap<'_>>(raw.get())?.to_static()),
            Self::Map(map) => Ok(map.to_static()),
        }
    }
}

impl Serialize for LazyMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(raw) => raw.serialize(serializer),
            Self::Map(map) => map.serialize(serializer),
        }
    }
}

impl fmt::Debug for RawMap<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RawMap({} entries)", self.len())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Self::default();
        members(deserializer, |Name(name), value| {
            let text = value.get();
            if map.len() == super::check::MAX_ENTRIES + super::check::MAX_ENTRIES {
                Err("too many")
            } else if name.len() > super::MAX_NAME || text.len() > super::MAX_VALUE {
                Err("too long")
            } else if !text.starts_with('"') && is_too_deep(text) {
                Err("too deep")
            } else if map.push(name, Cow::Borrowed(value)) {
                Ok(())
            } else {
                Err("not in order")
            }
        })?;
        Ok(map)
    }
}

/// Reads an object, and gives each member to `take`: its name and the JSON text of its value.
///
/// # Errors
/// Anything but an object; a reason of `take`.
pub fn members<'de, N: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    take: impl FnMut(N, &'de RawValue) -> Result<(), &'static str>,
) -> Result<(), D::Error> {
    struct Each<N, T>(T, PhantomData<N>);
    impl<'de, N, T> Visitor<'de> for Each<N, T>
    where
        N: Deserialize<'de>,
        T: FnMut(N, &'de RawValue) -> Result<(), &'static str>,
    {
        type Value = ();

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
            while let Some((name, value)) = entries.next_entry()? {
                (self.0)(name, value).map_err(A::Error::custom)?;
            }
            Ok(())
        }
    }
    deserializer.deserialize_map(Each(take, PhantomData))
}

impl Serialize for RawMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<RawMap<'_>> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn a_name_that_is_not_greater_is_refused() {
        assert!(read(r#"{"a":1,"b":2}"#).is_some());
        for text in [r#"{"b":1,"a":2}"#, r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"{"b":1,"\u0061":2}"#] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_not_touched_keeps_its_bytes() {
        let mut map = read(r#"{"a":{"x" : 1.50},"c":"\u0041"}"#).expect("map");
        map.put("b", serde_json::value::to_raw_value(&2).expect("raw"));
        assert_eq!(serde_json::to_string(&map).expect("text"), r#"{"a":{"x" : 1.50},"b":2,"c":"\u0041"}"#);
    }
}
