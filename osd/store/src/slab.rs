//! Numbers for operations under way, reused when they end.

/// Values under small numbers.
pub(crate) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, value: T) -> u64 {
        match self.free.pop() {
            Some(i) => {
                self.slots[i] = Some(value);
                i as u64
            }
            None => {
                self.slots.push(Some(value));
                self.slots.len() as u64 - 1
            }
        }
    }
    /// Takes a value out. A number that names nothing is our own mistake.
    pub(crate) fn remove(&mut self, number: u64) -> T {
        let value = self.slots[number as usize].take().expect("each operation completes once");
        self.free.push(number as usize);
        value
    }
    pub(crate) fn get_mut(&mut self, number: u64) -> &mut T {
        self.slots[number as usize].as_mut().expect("the operation is under way")
    }
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
