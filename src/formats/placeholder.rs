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
    pub const ALL: [Self; 18] = [
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
    within("${", "}") || within("{{", "}}") || within("${{", "}}")
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
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// One text of every kind, for tests of everything that takes values.
    pub(crate) const SAMPLES: [(&str, Placeholder); 37] = [
        ("", Placeholder::Blank),
        (" \u{feff}\n\t", Placeholder::Blank),
        ("__OPENCLAW_REDACTED__", Placeholder::Redacted),
        (" __OPENCLAW_REDACTED__\n", Placeholder::Redacted),
        ("${OPENAI_API_KEY}", Placeholder::Variable),
        ("$OPENAI_API_KEY", Placeholder::Variable),
        ("secretref-env:OPENAI_API_KEY", Placeholder::Variable),
        ("__env__:OPENAI_API_KEY", Placeholder::Variable),
        ("${key:-none}", Placeholder::Variable),
        ("${{ secrets.OPENAI }}", Placeholder::Variable),
        ("{{ op://Private/OpenAI/credential }}", Placeholder::Variable),
        ("op://Private/Open AI/credential", Placeholder::Reference(Tool::OnePassword)),
        ("ref+vault://secret/openai#/key", Placeholder::Reference(Tool::Vals)),
        ("vault:secret/data/openai#key", Placeholder::Reference(Tool::Vault)),
        ("vault://secret/openai", Placeholder::Reference(Tool::Vault)),
        ("secretref-managed", Placeholder::Reference(Tool::Gateway)),
        ("arn:aws:secretsmanager:eu-west-1:1:secret:openai", Placeholder::Reference(Tool::Aws)),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)", Placeholder::Reference(Tool::Azure)),
        ("ENC[AES256_GCM,data:qEmHtnqB,iv:kj9,tag:4e,type:str]", Placeholder::Ciphertext(Tool::Sops)),
        ("encrypted:BDqDBibm4wsYqMpCjTQ6BsDHmMadg9K3", Placeholder::Ciphertext(Tool::Dotenvx)),
        ("ENC(G6N718UuyPE5bHyWKyuLQSm02auQPUtm)", Placeholder::Ciphertext(Tool::Jasypt)),
        (
            "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----",
            Placeholder::Ciphertext(Tool::Age),
        ),
        ("-----BEGIN PGP MESSAGE-----\n\nhQE=\n-----END PGP MESSAGE-----", Placeholder::Ciphertext(Tool::Pgp)),
        ("$ANSIBLE_VAULT;1.1;AES256\n6162", Placeholder::Ciphertext(Tool::Ansible)),
        ("sk-...abcd", Placeholder::Masked),
        ("sk-ant-a...bcdefghi", Placeholder::Masked),
        ("sk-ant-api03-Ab3…xYzA", Placeholder::Masked),
        ("sk-ant-****", Placeholder::Masked),
        ("********", Placeholder::Masked),
        ("••••••••", Placeholder::Masked),
        ("ghp_************************1234", Placeholder::Masked),
        ("...", Placeholder::Masked),
        ("xxxxxxxx", Placeholder::Masked),
        ("sk-proj-xxxxxxxxxxxxxxxxxxxxxxxx", Placeholder::Masked),
        ("XXXX-XXXX-XXXX", Placeholder::Masked),
        ("-----BEGIN RSA PRIVATE KEY-----", Placeholder::Torn),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", Placeholder::Torn),
    ];

    #[test]
    fn each_form_is_told_for_what_it_is() {
        for (text, kind) in SAMPLES {
            assert_eq!(placeholder(text), Some(kind), "{text}");
        }
        let shown: BTreeSet<Placeholder> =
            SAMPLES.iter().map(|(_, kind)| *kind).chain([Placeholder::Metadata]).collect();
        assert_eq!(shown, Placeholder::ALL.into_iter().collect::<BTreeSet<_>>());
        let tokens: BTreeSet<&str> = Placeholder::ALL.iter().map(|kind| kind.token()).collect();
        assert_eq!(tokens.len(), Placeholder::ALL.len(), "a token means one kind");
        assert!(is_metadata("sops_version") && is_metadata("sops_age__list_0__map_enc") && !is_metadata("SOPS_KEY"));
    }

    #[test]
    fn what_is_a_secret_is_taken_for_one() {
        for text in [
            "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789-ABCDEFGHIJ",
            "AIzaSyA-1234567890abcdefghijklmnopqrstu",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            "correct horse ... battery staple",
            "p*ss..w**rd",
            "https://user:pass@host.example/...",
            "postgres://user:${pw}@host",
            "$1$salt$hash",
            "refer+ence",
            "vault:password",
            "enc[",
            "foxxx",
            "max",
            "{\"type\":\"service_account\"}",
            "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n",
            "${a}${b}",
        ] {
            assert_eq!(placeholder(text), None, "{text}");
        }
    }

    proptest! {
        /// The shapes in which providers make keys: none of them is mistaken.
        #[test]
        fn no_generated_key_is_a_placeholder(
            prefix in "(sk-|sk-ant-api03-|ghp_|xoxb-|AIza|glpat-|)", body in "[A-Za-z0-9_-]{24,64}"
        ) {
            prop_assume!(!body.to_lowercase().contains("xx"));
            let key = format!("{prefix}{body}");
            prop_assert_eq!(placeholder(&key), None);
        }

        /// Whatever is masked in the usual ways is known as such, from whatever key.
        #[test]
        fn every_mask_of_a_key_is_known(key in "[A-Za-z0-9_-]{20,60}", head in 0_usize..12, tail in 0_usize..9,
            mask in "(\\.\\.\\.|…|\\*{3,40}|•{3,40})") {
            let masked = format!("{}{mask}{}", &key[..head], &key[key.len() - tail..]);
            prop_assert_eq!(placeholder(&masked), Some(Placeholder::Masked));
        }

        #[test]
        fn white_space_around_it_changes_nothing(at in 0_usize..SAMPLES.len(), around in "[ \\n\\t\u{a0}]{0,3}") {
            let (text, kind) = SAMPLES[at];
            prop_assert_eq!(placeholder(&format!("{around}{text}{around}")), Some(kind));
        }
    }
}
