//! ISA-L, opened at run time, so that nothing of ours is linked with it.

use std::ffi::{CStr, c_int, c_uchar, c_uint, c_void};

type InitTables = unsafe extern "C" fn(c_int, c_int, *const c_uchar, *mut c_uchar);
type Encode = unsafe extern "C" fn(c_int, c_int, c_int, *const c_uchar, *const *const u8, *const *mut u8);
type Update = unsafe extern "C" fn(c_int, c_int, c_int, c_int, *const c_uchar, *const u8, *const *mut u8);
type Crc = unsafe extern "C" fn(*const u8, c_int, c_uint) -> c_uint;

/// Its functions.
pub(crate) struct Isal {
    init_tables: InitTables,
    encode: Encode,
    update: Update,
    crc32_iscsi: Crc,
}

/// A matrix as ISA-L wants it.
pub(crate) struct Tables {
    rows: usize,
    columns: usize,
    bytes: Vec<u8>,
}

impl Isal {
    pub(crate) fn open() -> Option<Isal> {
        // SAFETY: the names end in 0, and the types are those of isa-l/erasure_code.h and isa-l/crc.h, version 2.30.
        unsafe {
            let library = libc::dlopen(c"libisal.so.2".as_ptr(), libc::RTLD_NOW);
            if library.is_null() {
                return None;
            }
            let symbol = |name: &CStr| {
                let found: *mut c_void = libc::dlsym(library, name.as_ptr());
                (!found.is_null()).then_some(found)
            };
            Some(Isal {
                init_tables: std::mem::transmute::<*mut c_void, InitTables>(symbol(c"ec_init_tables")?),
                encode: std::mem::transmute::<*mut c_void, Encode>(symbol(c"ec_encode_data")?),
                update: std::mem::transmute::<*mut c_void, Update>(symbol(c"ec_encode_data_update")?),
                crc32_iscsi: std::mem::transmute::<*mut c_void, Crc>(symbol(c"crc32_iscsi")?),
            })
        }
    }

    pub(crate) fn tables(&self, rows: usize, columns: usize, coefficients: &[u8]) -> Tables {
        assert_eq!(coefficients.len(), rows * columns);
        let mut bytes = vec![0; 32 * rows * columns];
        // SAFETY: 32 bytes for each coefficient.
        unsafe {
            (self.init_tables)(columns as c_int, rows as c_int, coefficients.as_ptr(), bytes.as_mut_ptr());
        }
        Tables { rows, columns, bytes }
    }

    pub(crate) fn encode(&self, tables: &Tables, sources: &[&[u8]], outputs: &mut [&mut [u8]]) {
        let len = sources[0].len();
        assert!(sources.len() == tables.columns && outputs.len() == tables.rows);
        assert!(sources.iter().all(|s| s.len() == len) && outputs.iter().all(|o| o.len() == len));
        let sources: Vec<*const u8> = sources.iter().map(|source| source.as_ptr()).collect();
        let outputs: Vec<*mut u8> = outputs.iter_mut().map(|output| output.as_mut_ptr()).collect();
        let (columns, rows) = (tables.columns as c_int, tables.rows as c_int);
        // SAFETY: as many chunks of `len` bytes as the tables are for.
        unsafe {
            (self.encode)(
                len as c_int,
                columns,
                rows,
                tables.bytes.as_ptr(),
                sources.as_ptr(),
                outputs.as_ptr(),
            );
        }
    }

    pub(crate) fn update(&self, tables: &Tables, column: usize, source: &[u8], outputs: &mut [&mut [u8]]) {
        assert!(outputs.len() == tables.rows && column < tables.columns);
        assert!(outputs.iter().all(|output| output.len() == source.len()));
        let outputs: Vec<*mut u8> = outputs.iter_mut().map(|output| output.as_mut_ptr()).collect();
        let (columns, rows) = (tables.columns as c_int, tables.rows as c_int);
        let len = source.len() as c_int;
        // SAFETY: as many chunks of `len` bytes as the tables are for.
        unsafe {
            let (tables, source) = (tables.bytes.as_ptr(), source.as_ptr());
            (self.update)(len, columns, rows, column as c_int, tables, source, outputs.as_ptr());
        }
    }

    pub(crate) fn crc32c(&self, bytes: &[u8]) -> u32 {
        // SAFETY: reads `bytes`.
        !unsafe { (self.crc32_iscsi)(bytes.as_ptr(), bytes.len() as c_int, !0) }
    }
}
