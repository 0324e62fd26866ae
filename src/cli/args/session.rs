//! A key that is held for a time.

use clap::Args;

#[derive(Args, Debug)]
pub struct Unlock {
    /// How long: 8h, 30m, or `boot` for until the next boot [default: 1h; boot if a gateway is connected]
    #[arg(long = "for", value_name = "DURATION")]
    pub lasts: Option<String>,
    /// Leave a connected gateway as it is: it is not told to ask again, nor started
    #[arg(long)]
    pub no_reload: bool,
}
