use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One text of every kind, for tests of everything that takes values.
pub(crate) const SAMPLES: [(&str, Placeholder); 43] = [
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
    ("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----", Placeholder::Ciphertext(Tool::Age)),
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
    ("[redacted]", Placeholder::Example),
    ("***REDACTED***", Placeholder::Example),
    ("YOUR_API_KEY", Placeholder::Example),
    ("your-api-key-here", Placeholder::Example),
    ("changeme", Placeholder::Example),
    ("$(cat /run/key)", Placeholder::Variable),
    ("-----BEGIN RSA PRIVATE KEY-----", Placeholder::Torn),
    ("-----BEGIN PRIVATE KEY-----\nMIIE", Placeholder::Torn),
];

#[test]
fn each_form_is_told_for_what_it_is() {
    for (text, kind) in SAMPLES {
        assert_eq!(placeholder(text), Some(kind), "{text}");
    }
    let shown: BTreeSet<Placeholder> = SAMPLES.iter().map(|(_, kind)| *kind).chain([Placeholder::Metadata]).collect();
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
