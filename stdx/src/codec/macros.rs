//! Macros that write the encodings of structs and enums from one list of their fields.

/// Encodes a struct as its fields in order, with no envelope: for small values that will not grow.
#[macro_export]
macro_rules! codec_plain {
    ($t:ty { $($f:ident),* $(,)? }) => {
        impl $crate::codec::Encode for $t {
            fn encode(&self, _w: &mut $crate::codec::Writer) { $( $crate::codec::Encode::encode(&self.$f, _w); )* }
        }
        impl $crate::codec::Decode for $t {
            fn decode(_r: &mut $crate::codec::Reader) -> Result<Self, $crate::codec::DecodeError> {
                $( let $f = $crate::codec::Decode::decode(_r)?; )*
                Ok(Self { $($f),* })
            }
        }
    };
}

/// Encodes a struct in a versioned envelope: for values that may gain fields at their end.
/// A field added in version `v` is read only from envelopes of at least `v` and is otherwise its default:
/// `codec_versioned!(T, 2 { a, b } since 2 { c })`.
#[macro_export]
macro_rules! codec_versioned {
    ($t:ty, $version:literal { $($f:ident),* $(,)? } $(since $v:literal { $($g:ident),* $(,)? })*) => {
        impl $crate::codec::Encode for $t {
            fn encode(&self, w: &mut $crate::codec::Writer) {
                w.versioned($version, 1, |_w| {
                    $( $crate::codec::Encode::encode(&self.$f, _w); )*
                    $( $( $crate::codec::Encode::encode(&self.$g, _w); )* )*
                });
            }
        }
        impl $crate::codec::Decode for $t {
            fn decode(r: &mut $crate::codec::Reader) -> Result<Self, $crate::codec::DecodeError> {
                r.versioned($version, |_r, _version| {
                    $( let $f = $crate::codec::Decode::decode(_r)?; )*
                    $( $( let $g = if _version >= $v { $crate::codec::Decode::decode(_r)? } else { Default::default() }; )* )*
                    Ok(Self { $($f,)* $($($g,)*)* })
                })
            }
        }
    };
}

/// Encodes an enum as a `u8` tag and the variant's fields in order. Tags are never reused.
#[macro_export]
macro_rules! codec_enum {
    ($t:ident { $( $tag:literal => $v:ident $( { $($f:ident),* $(,)? } )? $( ( $($p:ident),* ) )? ),* $(,)? }) => {
        impl $crate::codec::Encode for $t {
            fn encode(&self, w: &mut $crate::codec::Writer) {
                match self {
                    $( $t::$v $( { $($f),* } )? $( ( $($p),* ) )? => {
                        w.raw(&[$tag]);
                        $( $( $crate::codec::Encode::encode($f, w); )* )?
                        $( $( $crate::codec::Encode::encode($p, w); )* )?
                    } )*
                }
            }
        }
        impl $crate::codec::Decode for $t {
            fn decode(r: &mut $crate::codec::Reader) -> Result<Self, $crate::codec::DecodeError> {
                match <u8 as $crate::codec::Decode>::decode(r)? {
                    $( $tag => {
                        $( $( let $f = $crate::codec::Decode::decode(r)?; )* )?
                        $( $( let $p = $crate::codec::Decode::decode(r)?; )* )?
                        Ok($t::$v $( { $($f),* } )? $( ( $($p),* ) )?)
                    } )*
                    _ => Err($crate::codec::DecodeError::Invalid(concat!("tag of ", stringify!($t)))),
                }
            }
        }
    };
}

/// Encodes a one-field tuple struct as that field.
#[macro_export]
macro_rules! codec_newtype {
    ($t:ident) => {
        impl $crate::codec::Encode for $t {
            fn encode(&self, w: &mut $crate::codec::Writer) {
                $crate::codec::Encode::encode(&self.0, w);
            }
        }
        impl $crate::codec::Decode for $t {
            fn decode(r: &mut $crate::codec::Reader) -> Result<Self, $crate::codec::DecodeError> {
                Ok($t($crate::codec::Decode::decode(r)?))
            }
        }
    };
}
