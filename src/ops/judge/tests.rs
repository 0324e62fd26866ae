use super::*;
use proptest::prelude::*;

fn fields(members: &[(&str, &str)]) -> Fields<String> {
    members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn side(fields: &Fields<String>) -> Side<'_, String> {
    Side { fields, renews: fields.get(REFRESH).is_some_and(|token| !token.is_empty()), superseded: false }
}

/// Entries that have the one member `key`, or are not there.
fn judged(bases: &[Option<&str>], theirs: Option<&str>, ours: Option<&str>) -> Verdict {
    let entry = |key: Option<&str>| key.map(|key| fields(&[("type", "api_key"), ("key", key)]));
    let bases: Vec<_> = bases.iter().map(|base| entry(*base)).collect();
    let bases: Vec<_> = bases.iter().map(Option::as_ref).collect();
    let (theirs, ours) = (entry(theirs), entry(ours));
    let (theirs, ours) = (theirs.as_ref().map(side), ours.as_ref().map(side));
    judge(&bases, theirs.as_ref(), ours.as_ref())
}

const STATES: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("c")];

fn mirrored(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Take => Verdict::Keep,
        Verdict::Keep => Verdict::Take,
        other => other,
    }
}

/// Every way in which three states can be equal, different or absent.
#[test]
fn every_combination_of_three_states_has_its_verdict() {
    for base in STATES {
        for theirs in STATES {
            for ours in STATES {
                let expected = match (theirs == ours, base == theirs, base == ours) {
                    (true, _, _) => Verdict::Same,
                    (_, true, _) => Verdict::Keep,
                    (_, _, true) => Verdict::Take,
                    _ => Verdict::Conflict(Why::BothChanged),
                };
                let verdict = judged(&[base], theirs, ours);
                assert_eq!(verdict, expected, "{base:?} {theirs:?} {ours:?}");
                assert_eq!(verdict, value(&[base], theirs, ours), "{base:?} {theirs:?} {ours:?}");
                assert_eq!(judged(&[base], ours, theirs), mirrored(verdict.clone()), "{base:?} {theirs:?} {ours:?}");
                if base.is_none() {
                    assert_eq!(judged(&[], theirs, ours), verdict, "no base: {theirs:?} {ours:?}");
                }
            }
        }
    }
}

#[test]
fn each_state_that_a_crash_left_possible_is_a_base() {
    for (theirs, ours, verdict) in [
        ("a", "b", Verdict::Keep),
        ("b", "b", Verdict::Same),
        ("c", "b", Verdict::Take),
        ("c", "d", Verdict::Conflict(Why::BothChanged)),
    ] {
        assert_eq!(judged(&[Some("a"), Some("b")], Some(theirs), Some(ours)), verdict);
    }
}

fn oauth(access: &str, refresh: &str, more: &[(&str, &str)]) -> Fields<String> {
    let mut members = fields(&[("type", "oauth"), ("access", access), ("refresh", refresh)]);
    members.extend(fields(more));
    members
}

fn of(base: &Fields<String>, theirs: &Fields<String>, ours: &Fields<String>) -> Verdict {
    judge(&[Some(base)], Some(&side(theirs)), Some(&side(ours)))
}

#[test]
fn a_token_that_followed_the_bases_is_newer_whatever_changed_beside_it() {
    let base = oauth("a", "r", &[]);
    let renewed = oauth("b", "s", &[("expires", "9")]);
    for ours in [base.clone(), oauth("other", "r", &[("expires", "7")])] {
        assert_eq!(of(&base, &renewed, &ours), Verdict::Take);
        assert_eq!(of(&base, &ours, &renewed), Verdict::Keep);
    }
    // Two logins, and no later one.
    let login = oauth("c", "t", &[("expires", "11")]);
    assert_eq!(of(&base, &renewed, &login), Verdict::Conflict(Why::BothChanged));
    assert_eq!(of(&base, &login, &renewed), Verdict::Conflict(Why::BothChanged));
}

#[test]
fn a_superseded_token_is_stale_on_whatever_side_it_is() {
    let (base, old, new) = (oauth("a", "r", &[]), oauth("b", "s", &[]), oauth("c", "t", &[]));
    let superseded = |fields| Side { superseded: true, ..side(fields) };
    for bases in [&[Some(&base)][..], &[]] {
        assert_eq!(judge(bases, Some(&superseded(&old)), Some(&side(&new))), Verdict::Stale);
        assert_eq!(judge(bases, Some(&superseded(&old)), None), Verdict::Stale);
        assert_eq!(judge(bases, Some(&side(&new)), Some(&superseded(&old))), Verdict::Take);
    }
    // What is as it was is no news, whatever it is.
    assert_eq!(judge(&[Some(&old)], Some(&superseded(&old)), Some(&side(&new))), Verdict::Keep);
}

#[test]
fn what_lost_its_refresh_token_or_its_type_says_so() {
    let base = oauth("a", "r", &[]);
    let lost = [oauth("a", "", &[]), fields(&[("type", "oauth"), ("access", "b")])];
    for theirs in &lost {
        for ours in [&base, &oauth("c", "t", &[])] {
            assert_eq!(of(&base, theirs, ours), Verdict::Conflict(Why::LostRefresh));
        }
        // The vault lost it before: the gateway's is newer, or both are.
        assert_eq!(of(theirs, &base, theirs), Verdict::Take);
        assert_eq!(of(&base, &base, theirs), Verdict::Keep);
    }
    let key = fields(&[("type", "api_key"), ("key", "k")]);
    for (theirs, ours) in [(&key, &base), (&base, &key)] {
        assert_eq!(of(ours, theirs, ours), Verdict::Conflict(Why::OtherType));
        assert_eq!(of(theirs, theirs, ours), Verdict::Keep);
    }
}

#[test]
fn members_that_mean_nothing_to_each_other_are_merged() {
    let base = oauth("a", "r", &[("displayName", "old"), ("email", "x@y")]);
    let theirs = oauth("b", "s", &[("displayName", "old"), ("email", "x@z")]);
    let ours = oauth("a", "r", &[("displayName", "new")]);
    let names = |names: &[&str]| Verdict::Merge(names.iter().map(|name| (*name).to_owned()).collect());
    // The vault gave up the address, which the gateway changed.
    assert_eq!(of(&base, &theirs, &ours), Verdict::Conflict(Why::BothChanged));
    let ours = oauth("a", "r", &[("displayName", "new"), ("email", "x@y")]);
    assert_eq!(of(&base, &theirs, &ours), names(&["access", "email", "refresh", "type"]));
    assert_eq!(of(&base, &ours, &theirs), names(&["displayName"]));
    // Without a base, what only one side has is added, and what differs is open.
    let none = |theirs, ours| judge(&[], Some(&side(theirs)), Some(&side(ours)));
    let plain = oauth("a", "r", &[]);
    assert_eq!(none(&ours, &plain), Verdict::Take);
    assert_eq!(none(&plain, &ours), Verdict::Keep);
    assert_eq!(none(&base, &ours), Verdict::Conflict(Why::BothChanged));
}

fn entry() -> impl Strategy<Value = Option<Fields<String>>> {
    let value = || prop::option::of("[abc]");
    let members = (value(), value(), value(), value(), value()).prop_map(|(refresh, access, email, name, other)| {
        let all = [("refresh", refresh), ("access", access), ("email", email), ("displayName", name), ("x", other)];
        let mut found = fields(&[("type", "oauth")]);
        found.extend(all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        found
    });
    prop::option::of(members)
}

proptest! {
    /// Seen from the other side the answer is the same; only that a refresh token is lost is judged of theirs alone.
    #[test]
    fn the_other_side_gives_the_mirrored_answer(base in entry(), theirs in entry(), ours in entry()) {
        let of = |theirs: &Option<Fields<String>>, ours: &Option<Fields<String>>| {
            let (theirs, ours) = (theirs.as_ref().map(side), ours.as_ref().map(side));
            judge(&[base.as_ref()], theirs.as_ref(), ours.as_ref())
        };
        let (here, there) = (of(&theirs, &ours), of(&ours, &theirs));
        let lost = |verdict: &Verdict| *verdict == Verdict::Conflict(Why::LostRefresh);
        prop_assume!(!lost(&here) && !lost(&there));
        match (&here, &there) {
            (Verdict::Merge(one), Verdict::Merge(other)) => prop_assert!(one.is_disjoint(other)),
            _ => prop_assert_eq!(mirrored(here), there),
        }
    }

    /// What neither side changed is what comes out, and every value that comes out was on one of the sides.
    #[test]
    fn a_merge_takes_what_only_theirs_changed(base in entry(), theirs in entry(), ours in entry()) {
        let (Some(theirs), Some(ours)) = (theirs, ours) else { return Ok(()) };
        let verdict = judge(&[base.as_ref()], Some(&side(&theirs)), Some(&side(&ours)));
        let Verdict::Merge(names) = verdict else { return Ok(()) };
        for name in names.iter().filter(|name| APART.contains(&name.as_str())) {
            let was = base.as_ref().and_then(|base| base.get(name));
            prop_assert_eq!(ours.get(name), was);
            prop_assert_ne!(theirs.get(name), was);
        }
    }
}
