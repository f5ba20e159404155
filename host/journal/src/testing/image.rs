//! The bytes of a storage, in pages that copies share until one of them is written: a campaign makes hundreds of
//! thousands of copies that differ in a few pages.

use std::sync::Arc;

const PAGE: usize = 4096;
type Page = [u8; PAGE];

/// The bytes.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pages: Vec<Arc<Page>>,
    length: usize,
    /// Stands for every page that was never written.
    empty: Arc<Page>,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            length: 0,
            empty: Arc::new([0; PAGE]),
        }
    }
}

impl From<Vec<u8>> for Image {
    fn from(bytes: Vec<u8>) -> Self {
        let mut image = Self::default();
        image.resize(bytes.len());
        image.write(0, &bytes);
        image
    }
}

impl Image {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// What comes behind the end is zero.
    pub(super) fn resize(&mut self, length: usize) {
        if length < self.length {
            self.zero_behind(length);
        }
        self.pages
            .resize_with(length.div_ceil(PAGE), || Arc::clone(&self.empty));
        self.length = length;
    }

    /// What lies behind an end must not come back when the end moves on.
    fn zero_behind(&mut self, length: usize) {
        if let Some(page) = self.pages.get_mut(length / PAGE) {
            Arc::make_mut(page)[length % PAGE..].fill(0);
        }
    }

    /// Visits the pages of a range: index, offset in the page, offset in the caller's bytes, length.
    fn pieces(offset: usize, length: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            if done == length {
                return None;
            }
            let (place, inside) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let count = (PAGE - inside).min(length - done);
            let piece = (place, inside, done, count);
            done += count;
            Some(piece)
        })
    }

    /// Whether the range lies within.
    pub(super) fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        if offset + out.len() > self.length {
            return false;
        }
        for (place, inside, done, count) in Self::pieces(offset, out.len()) {
            out[done..done + count].copy_from_slice(&self.pages[place][inside..inside + count]);
        }
        true
    }

    /// Writes as much as lies within.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let fits = self.length.saturating_sub(offset).min(bytes.len());
        for (place, inside, done, count) in Self::pieces(offset, fits) {
            Arc::make_mut(&mut self.pages[place])[inside..inside + count]
                .copy_from_slice(&bytes[done..done + count]);
        }
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.read(0, &mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It is what a plain vector would be, and a copy keeps what it had.
        #[test]
        fn an_image_is_its_bytes(steps in prop::collection::vec((any::<bool>(), 0_usize..20_000, any::<u8>()), 1..40)) {
            let (mut image, mut plain) = (Image::default(), Vec::new());
            for (resizes, place, byte) in steps {
                let (before, copy) = (plain.clone(), image.clone());
                if resizes {
                    image.resize(place);
                    plain.resize(place, 0);
                } else {
                    let bytes = vec![byte; usize::from(byte) * 40];
                    image.write(place, &bytes);
                    let fits = plain.len().saturating_sub(place).min(bytes.len());
                    if fits > 0 {
                        plain[place..place + fits].copy_from_slice(&bytes[..fits]);
                    }
                }
                prop_assert_eq!(image.to_vec(), plain.clone());
                prop_assert_eq!(copy.to_vec(), before);
                prop_assert_eq!(image.len(), plain.len());
                prop_assert!(!image.read(plain.len(), &mut [0]));
            }
        }
    }
}
