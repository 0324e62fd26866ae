//! Provider ids and the variables that go with them.

use super::js;

/// Other names of a provider, from the core of 2026.4.27. The newer gateway's core has no
/// table, but its plugins answer to the same names, and none of the names on the left is a
/// provider of its own there, so folding them is safe for both. Not folded, since versions
/// disagree: `codex` and `openai-codex`, and 2026.1.30's `qwen` -> `qwen-portal`.
const ALIASES: [(&str, &str); 13] = [
    ("modelstudio", "qwen"),
    ("qwencloud", "qwen"),
    ("z.ai", "zai"),
    ("z-ai", "zai"),
    ("opencode-zen", "opencode"),
    ("opencode-go-auth", "opencode-go"),
    ("kimi-code", "kimi"),
    ("kimi-coding", "kimi"),
    ("bedrock", "amazon-bedrock"),
    ("aws-bedrock", "amazon-bedrock"),
    ("bytedance", "volcengine"),
    ("doubao", "volcengine"),
    ("x-ai", "xai"),
];

/// Providers that use the credentials of another one: for comparing, never for storing.
const AUTH_ALIASES: [(&str, &str); 4] = [
    ("byteplus-plan", "byteplus"),
    ("volcengine-plan", "volcengine"),
    ("minimax-cn", "minimax"),
    ("minimax-portal-cn", "minimax-portal"),
];

const VARIABLES: &str = include_str!("data/provider-env.txt");

/// A provider id as gateways store it: trimmed, lower case, aliases folded. Empty if there is
/// none. Any other text is a provider too: gateways consult no list here.
pub fn normalise(provider: &str) -> String {
    let provider = js::trim(provider).to_lowercase();
    fold(&ALIASES, &provider).map_or(provider, str::to_owned)
}

/// Whether credentials of one provider serve the other.
pub fn same(one: &str, other: &str) -> bool {
    let auth = |provider: &str| {
        let provider = normalise(provider);
        fold(&AUTH_ALIASES, &provider).map_or(provider, str::to_owned)
    };
    auth(one) == auth(other)
}

fn fold(aliases: &[(&str, &'static str)], provider: &str) -> Option<&'static str> {
    aliases.iter().find(|(alias, _)| *alias == provider).map(|&(_, id)| id)
}

/// The variables in which gateways look for a key of this provider, in the order of looking.
pub fn variables(provider: &str) -> impl Iterator<Item = &'static str> {
    let provider = normalise(provider);
    let line = lines().find(move |line| line.split(' ').next() == Some(&provider));
    line.into_iter().flat_map(|line| line.split(' ').skip(1))
}

/// Whether gateways take this variable for some provider's key.
pub fn is_variable(name: &str) -> bool {
    lines().any(|line| line.split(' ').skip(1).any(|variable| variable == name))
}

/// Variables that providers look at too, but that mostly are for something else.
const OF_OTHERS: [&str; 2] = ["GH_TOKEN", "GITHUB_TOKEN"];

/// Providers of nothing but web search: gateways have their keys from the configuration or a variable, and from no profile
/// (plugins of 2026.4.27 and 2026.9.6).
const OF_THE_WEB: [&str; 5] = ["brave", "exa", "firecrawl", "perplexity", "tavily"];

/// The provider that has its key from a profile as well as from this variable: the one that it is named after, or else
/// the one whose first variable it is, or the first that looks for it.
pub fn of_variable(name: &str) -> Option<&'static str> {
    if OF_OTHERS.contains(&name) {
        return None;
    }
    let id = |line: &'static str| line.split(' ').next();
    let takes = |line: &&str| line.split(' ').skip(1).any(|variable| variable == name);
    let named = |line: &&'static str| {
        let start = id(line).map(|id| id.to_uppercase().replace('-', "_"));
        start.is_some_and(|start| name.strip_prefix(&start).is_some_and(|rest| rest.starts_with('_')))
    };
    let first = |line: &&str| line.split(' ').nth(1) == Some(name);
    let found = lines().filter(takes).find(named).or_else(|| lines().find(first));
    found.or_else(|| lines().find(takes)).and_then(id).filter(|id| !OF_THE_WEB.contains(id))
}

fn lines() -> impl Iterator<Item = &'static str> {
    VARIABLES.lines().filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_folded_as_gateways_do() {
        for (typed, id) in [
            (" Anthropic ", "anthropic"),
            ("Z.AI", "zai"),
            ("\u{feff}bedrock", "amazon-bedrock"),
            ("openai-codex", "openai-codex"),
            ("volcengine-plan", "volcengine-plan"),
            ("my own", "my own"),
            (" \n", ""),
        ] {
            assert_eq!(normalise(typed), id);
        }
        assert!(ALIASES.iter().all(|(_, id)| normalise(id) == *id));
    }

    #[test]
    fn shared_credentials_are_known() {
        assert!(same("doubao", "volcengine-plan") && same("OpenAI", "openai"));
        assert!(!same("openai", "openai-codex"));
    }

    #[test]
    fn variables_come_in_the_order_of_looking() {
        assert_eq!(variables("Anthropic").collect::<Vec<_>>(), ["ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"]);
        assert_eq!(variables("z-ai").next(), Some("ZAI_API_KEY"));
        assert_eq!(variables("#").count() + variables("nobody").count(), 0);
        assert_eq!(of_variable("ANTHROPIC_API_KEY"), Some("anthropic"));
        assert_eq!((of_variable("OPENAI_API_KEY"), of_variable("HOME")), (Some("openai"), None));
        assert_eq!((of_variable("GITHUB_TOKEN"), of_variable("BRAVE_API_KEY")), (None, None));
        assert!(is_variable("GROQ_API_KEY") && !is_variable("groq") && !is_variable("HOME"));
    }
}
