//! Frames that a hostile or broken peer could send, made from good ones; the same ones in every run.

/// A small generator of its own, so that a failure can be run again.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed | 1)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        high as usize % most.max(1)
    }

    /// One to four changes on top of each other.
    pub(crate) fn mutate(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(frame.len());
            match self.below(8) {
                0 => frame.truncate(at),
                1 => {
                    let other = self.below(frame.len());
                    let until = (other + self.below(24)).min(frame.len());
                    let chunk = frame[other.min(until)..until].to_vec();
                    frame.splice(at..at, chunk);
                }
                2 => {
                    let until = (at + self.below(24)).min(frame.len());
                    frame.drain(at.min(until)..until);
                }
                3 => {
                    if let Some(byte) = frame.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
                4 => {
                    if let Some(byte) = frame.get_mut(at) {
                        *byte = self.below(24) as u8;
                    }
                }
                _ => {
                    let all = at_offset(&frame, at);
                    if !all.is_empty() {
                        let n = self.below(all.len());
                        frame = all.into_iter().nth(n).unwrap_or_default();
                    }
                }
            }
        }
        frame
    }
}

/// A length field may stand at any offset, in any of three codings: this sets each of them to what no frame can hold, to
/// negative ones, to overlong codings of what was there, and moves what stands behind.
pub(crate) fn at_offset(frame: &[u8], at: usize) -> Vec<Vec<u8>> {
    let mut mutated = Vec::new();
    let mut replace = |old: usize, new: &[u8]| {
        if let (Some(before), Some(after)) = (frame.get(..at), frame.get(at + old..)) {
            mutated.push([before, new, after].concat());
        }
    };
    let beyond = frame.len() as u32 + 1;
    for int32 in [0x7fff_ffff, 0xffff_ffff, 0xffff_fffe, 0x8000_0000, beyond] {
        replace(4, &u32::to_be_bytes(int32));
    }
    for int16 in [0x7fff, 0xffff, 0xfffe, 0x8000, beyond as u16] {
        replace(2, &u16::to_be_bytes(int16));
    }
    for varint in [
        [0xff, 0xff, 0xff, 0xff, 0x07],
        [0xff, 0xff, 0xff, 0xff, 0x0f],
        [0xff, 0xff, 0xff, 0xff, 0x7f],
        // 2^32, which a careless reader cuts down to 0; and 2^32 + 2.
        [0x80, 0x80, 0x80, 0x80, 0x10],
        [0x82, 0x80, 0x80, 0x80, 0x10],
    ] {
        replace(1, &varint);
    }
    replace(
        1,
        &[
            beyond as u8 | 0x80,
            (beyond >> 7) as u8 | 0x80,
            (beyond >> 14) as u8,
        ],
    );
    if let Some(&byte) = frame.get(at) {
        if byte < 0x80 {
            replace(1, &[byte | 0x80, 0]);
            replace(1, &[byte | 0x80, 0x80, 0x80, 0x80, 0]);
        }
        for new in [0, 1, byte.wrapping_add(1), byte.wrapping_sub(1), 0x7f] {
            replace(1, &[new]);
        }
        replace(0, &[0]);
        replace(1, &[]);
    }
    mutated.push(frame[..at.min(frame.len())].to_vec());
    mutated
}
