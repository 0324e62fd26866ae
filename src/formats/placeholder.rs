//! Texts that stand where a secret would and are none: what other programs write there, and what people do.
//!
//! [`placeholder`] is the one rule; everything that takes a value in asks it. A real secret that looks like one of
//! these cannot be told from it, so each form is as narrow as its writer makes it.

use super::{js, secretref};

/// What such a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placeholder {
    /// Empty, or white space only.
    Blank,
    /// The gateway's own word for a value that it does not show.
    Redacted,
    /// The name of a variable, or a template that another program fills in.
    Variable,
    /// A reference that another program resolves.
    Reference(Tool),
    /// What another program has encrypted.
    Ciphertext(Tool),
    /// A value of which only the ends are shown, or nothing.
    Masked,
    /// An example of a value, or a word that says that one was taken out.
    Example,
    /// The first lines of a PEM block, without its end.
    Torn,
    /// A member of a file that says how the other members are encrypted.
    Metadata,
}

/// The program that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// age, armored.
    Age,
    /// ansible-vault.
    Ansible,
    /// AWS Secrets Manager or Parameter Store.
    Aws,
    /// Azure Key Vault.
    Azure,
    /// dotenvx.
    Dotenvx,
    /// The gateway itself.
    Gateway,
    /// Jasypt.
    Jasypt,
    /// 1Password.
    OnePassword,
    /// `OpenPGP`.
    Pgp,
    /// sops, and eyaml, which writes the same.
    Sops,
    /// vals and helmfile.
    Vals,
    /// HashiCorp Vault, by the injectors that put its secrets into an environment.
    Vault,
}

impl Placeholder {
    /// Every kind, each tool's too.
    pub const ALL: [Self; 19] = [
        Self::Blank,
        Self::Redacted,
        Self::Variable,
        Self::Reference(Tool::Aws),
        Self::Reference(Tool::Azure),
        Self::Reference(Tool::Gateway),
        Self::Reference(Tool::OnePassword),
        Self::Reference(Tool::Vals),
        Self::Reference(Tool::Vault),
        Self::Ciphertext(Tool::Age),
        Self::Ciphertext(Tool::Ansible),
        Self::Ciphertext(Tool::Dotenvx),
        Self::Ciphertext(Tool::Jasypt),
        Self::Ciphertext(Tool::Pgp),
        Self::Ciphertext(Tool::Sops),
        Self::Masked,
        Self::Example,
        Self::Torn,
        Self::Metadata,
    ];

    /// A stable word for machines.
    pub fn token(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Redacted => "redacted",
            Self::Variable => "variable",
            Self::Reference(tool) | Self::Ciphertext(tool) => tool.token(),
            Self::Masked => "masked",
            Self::Example => "example",
            Self::Torn => "torn",
            Self::Metadata => "metadata",
        }
    }
}

impl Tool {
    /// A stable word for machines. No program of the list writes both references and ciphertext.
    fn token(self) -> &'static str {
        match self {
            Self::Age => "ciphertext-age",
            Self::Ansible => "ciphertext-ansible",
            Self::Aws => "reference-aws",
            Self::Azure => "reference-azure",
            Self::Dotenvx => "ciphertext-dotenvx",
            Self::Gateway => "reference-gateway",
            Self::Jasypt => "ciphertext-jasypt",
            Self::OnePassword => "reference-1password",
            Self::Pgp => "ciphertext-pgp",
            Self::Sops => "ciphertext-sops",
            Self::Vals => "reference-vals",
            Self::Vault => "reference-vault",
        }
    }
}

/// What gateways write in the place of a secret in the configuration that they show. They refuse to store it, and
/// no secret has it anywhere within.
const REDACTED: &str = "__OPENCLAW_REDACTED__";

/// How references of other programs begin.
const REFERENCES: [(&str, Tool); 7] = [
    // `op run --env-file` and `op inject`.
    ("op://", Tool::OnePassword),
    // What a gateway leaves in generated files for a secret that it has by reference.
    ("secretref-", Tool::Gateway),
    ("secretref:", Tool::Gateway),
    // The names under which AWS keeps secrets; a task definition's `valueFrom`.
    ("arn:aws:secretsmanager:", Tool::Aws),
    ("arn:aws:ssm:", Tool::Aws),
    // App settings of Azure.
    ("@Microsoft.KeyVault(", Tool::Azure),
    ("vault://", Tool::Vault),
];

/// How ciphertext of other programs begins.
const CIPHERTEXTS: [(&str, Tool); 6] = [
    // `ENC[AES256_GCM,data:...]` of sops, `ENC[PKCS7,...]` of eyaml.
    ("ENC[", Tool::Sops),
    // dotenvx: `encrypted:` and base64.
    ("encrypted:", Tool::Dotenvx),
    // Jasypt in properties of Java programs.
    ("ENC(", Tool::Jasypt),
    ("-----BEGIN AGE ENCRYPTED FILE-----", Tool::Age),
    ("-----BEGIN PGP MESSAGE-----", Tool::Pgp),
    ("$ANSIBLE_VAULT;", Tool::Ansible),
];

/// What a text is if it is no secret.
pub fn placeholder(text: &str) -> Option<Placeholder> {
    let text = js::trim(text);
    let begins = |(start, tool): &(&str, Tool)| text.starts_with(start).then_some(*tool);
    if text.is_empty() {
        Some(Placeholder::Blank)
    } else if text.contains(REDACTED) {
        Some(Placeholder::Redacted)
    } else if secretref::env_reference(text).is_some() || is_template(text) {
        Some(Placeholder::Variable)
    } else if let Some(tool) = REFERENCES.iter().find_map(begins) {
        Some(Placeholder::Reference(tool))
    } else if text.starts_with("ref+") && text.contains("://") {
        Some(Placeholder::Reference(Tool::Vals))
    } else if text.strip_prefix("vault:").is_some_and(|rest| rest.contains('#')) {
        // `vault:secret/data/app#KEY`.
        Some(Placeholder::Reference(Tool::Vault))
    } else if let Some(tool) = CIPHERTEXTS.iter().find_map(begins) {
        Some(Placeholder::Ciphertext(tool))
    } else if text.starts_with("-----BEGIN ") && !text.contains("-----END ") {
        Some(Placeholder::Torn)
    } else if text.len() <= LONGEST_MASK && (is_masked(text) || is_row_of_x(text)) {
        Some(Placeholder::Masked)
    } else if is_example(text) {
        Some(Placeholder::Example)
    } else {
        None
    }
}

/// Whether an entry of this name says how the others are encrypted: `sops_version`, `sops_mac`, `sops_age__list_0__...`
/// are what sops puts into a `.env`.
pub fn is_metadata(name: &str) -> bool {
    name.starts_with("sops_")
}

/// `${NAME:-default}`, `${{ secrets.NAME }}`, `{{ op://... }}`: one template and nothing beside it.
fn is_template(text: &str) -> bool {
    let within = |open: &str, close: &str| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|name| !name.is_empty() && !name.contains(close))
    };
    within("${", "}") || within("{{", "}}") || within("${{", "}}") || within("$(", ")")
}

/// Longest example, in bytes.
const LONGEST_EXAMPLE: usize = 64;

/// `[redacted]`, `***REDACTED***`, `<removed>`, `YOUR_API_KEY`, `your-token-here`: words alone, without a digit.
fn is_example(text: &str) -> bool {
    if text.len() > LONGEST_EXAMPLE || text.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let words: Vec<String> = text
        .split(|next: char| !next.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let gone = ["redacted", "masked", "hidden", "removed", "omitted", "changeme"];
    let is_gone = matches!(words.as_slice(), [word] if gone.contains(&word.as_str()));
    let is_yours = words.len() > 1 && words.first().is_some_and(|word| word == "your");
    is_gone || is_yours
}

/// Longest part that a mask leaves readable at each end. Gateways show eight characters, consoles of providers the
/// prefix of a key and four more.
const READABLE: usize = 20;

/// Longest placeholder of dots, stars or letters, in bytes. What is longer was made by no person and no mask.
const LONGEST_MASK: usize = 256;

/// `sk-...abcd`, `sk-ant-****`, `********`: dots or stars, with no more of a key around them than its ends.
fn is_masked(text: &str) -> bool {
    let is_mask = |character: char| matches!(character, '.' | '…' | '*' | '•' | '●' | '∙' | '·' | '⋅');
    let is_key = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let mut rest = text;
    let mut before = 0;
    while let Some(start) = rest.find(is_mask) {
        let after = rest.get(start..).unwrap_or_default();
        let tail = after.trim_start_matches(is_mask);
        let mask = after.get(..after.len() - tail.len()).unwrap_or_default();
        if mask.contains('…') || mask.chars().count() >= 3 {
            let head = text.get(..before + start).unwrap_or_default();
            return head.len() <= READABLE && tail.len() <= READABLE && is_key(head) && is_key(tail);
        }
        before += start + mask.len();
        rest = tail;
    }
    false
}

/// `xxxx`, `sk-xxxxxxxx`, `XXXX-XXXX`: a row of the letter, behind a prefix at most.
fn is_row_of_x(text: &str) -> bool {
    let prefix = text.trim_end_matches(['x', 'X', '-', '_']);
    let row = text.get(prefix.len()..).unwrap_or_default();
    let parted = prefix.is_empty() || row.starts_with(['-', '_']);
    let letters = row.bytes().filter(|byte| byte.eq_ignore_ascii_case(&b'x')).count();
    let is_prefix = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    letters >= 3 && parted && is_prefix && prefix.len() <= READABLE
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
