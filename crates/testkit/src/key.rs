//! The checksum of a key, computed a second time: from its description, not with the program's own code.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The six characters that end a key which begins like this: CRC-32 (IEEE 802.3) in base 62.
#[must_use]
pub fn checksum(prefix_and_body: &str) -> String {
    let mut rest = crc32(prefix_and_body.as_bytes());
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.push(char::from(ALPHABET[usize::try_from(rest % 62).unwrap()]));
        rest /= 62;
    }
    digits.iter().rev().collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc));
    !bytes.iter().fold(u32::MAX, byte)
}

#[cfg(test)]
mod tests {
    use super::{checksum, crc32};

    #[test]
    fn the_check_value_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum("123456789").len(), 6);
    }
}
