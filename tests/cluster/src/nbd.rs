//! A small NBD client: one request at a time, so that what was acknowledged is known when everything dies.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const REQUEST: u32 = 0x2560_9513;
const SIMPLE_REPLY: u32 = 0x6744_6698;
const READ: u16 = 0;
const WRITE: u16 = 1;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const WRITE_ZEROES: u16 = 6;

/// A connection that uses one export.
pub struct Nbd {
    stream: TcpStream,
    size: u64,
    cookie: u64,
}

impl Nbd {
    /// Uses `export` at HOST:PORT by the oldest way in. An export that cannot be used shows as a closed connection.
    pub fn connect(addr: &str, export: &str, patience: Duration) -> io::Result<Nbd> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting)?;
        if &greeting[..16] != b"NBDMAGICIHAVEOPT" {
            return Err(io::Error::other("that is no NBD server"));
        }
        let mut hello = 3u32.to_be_bytes().to_vec();
        hello.extend(b"IHAVEOPT\0\0\0\x01");
        hello.extend((export.len() as u32).to_be_bytes());
        hello.extend(export.as_bytes());
        stream.write_all(&hello)?;
        let mut facts = [0; 10];
        stream.read_exact(&mut facts)?;
        let size = u64::from_be_bytes(std::array::from_fn(|i| facts[i]));
        Ok(Nbd { stream, size, cookie: 0 })
    }

    /// Bytes of the export.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes, and returns when that was acknowledged.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.ask(WRITE, offset, data.len(), data)
    }
    /// The range need not be kept.
    pub fn trim(&mut self, offset: u64, len: usize) -> io::Result<()> {
        self.ask(TRIM, offset, len, &[])
    }
    /// The range reads as zeros.
    pub fn zero(&mut self, offset: u64, len: usize) -> io::Result<()> {
        self.ask(WRITE_ZEROES, offset, len, &[])
    }
    /// Everything that was acknowledged is durable.
    pub fn flush(&mut self) -> io::Result<()> {
        self.ask(FLUSH, 0, 0, &[])
    }
    /// Reads.
    pub fn read(&mut self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.ask(READ, offset, len, &[])?;
        let mut data = vec![0; len];
        self.stream.read_exact(&mut data)?;
        Ok(data)
    }

    fn ask(&mut self, command: u16, offset: u64, len: usize, payload: &[u8]) -> io::Result<()> {
        self.cookie += 1;
        let mut request = REQUEST.to_be_bytes().to_vec();
        request.extend([0, 0]);
        request.extend(command.to_be_bytes());
        request.extend(self.cookie.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend((len as u32).to_be_bytes());
        request.extend(payload);
        self.stream.write_all(&request)?;
        let mut reply = [0; 16];
        self.stream.read_exact(&mut reply)?;
        let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| reply[at + i]));
        if word(0) != SIMPLE_REPLY || reply[8..] != self.cookie.to_be_bytes() {
            return Err(io::Error::other("an answer to something else"));
        }
        match word(4) {
            0 => Ok(()),
            code => Err(io::Error::other(format!("the server answers with error {code}"))),
        }
    }
}
