//! The C interface: `c/onebit.h` beside this file declares it.

use super::runtime::Runtime;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

thread_local! {
    static MESSAGE: RefCell<CString> = RefCell::default();
}

/// A model, as C sees it.
pub struct OnebitModel {
    runtime: Runtime,
    classes: Vec<CString>,
}

fn say(message: String) {
    let clean = message.replace('\0', " ");
    MESSAGE.with(|m| *m.borrow_mut() = CString::new(clean).unwrap_or_default());
}

/// What went wrong last on this thread; empty if nothing did. Valid until the next call.
#[unsafe(no_mangle)]
pub extern "C" fn onebit_error() -> *const c_char {
    MESSAGE.with(|m| m.borrow().as_ptr())
}

/// Loads a packed model; null if that fails, see [`onebit_error`].
///
/// # Safety
/// `path` is a string that ends with a 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn onebit_load(path: *const c_char, threads: usize) -> *mut OnebitModel {
    // SAFETY: the caller's promise.
    let path = unsafe { path_of(path) };
    loaded(|| Runtime::load(Path::new(path?), threads.max(1)).map_err(|e| e.to_string()))
}

/// Loads a model of masks and the base that they are on; null if that fails, see [`onebit_error`].
///
/// # Safety
/// `path` and `base` are strings that end with a 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn onebit_load_masked(
    path: *const c_char,
    base: *const c_char,
    threads: usize,
) -> *mut OnebitModel {
    // SAFETY: the caller's promise.
    let (path, base) = unsafe { (path_of(path), path_of(base)) };
    loaded(|| Runtime::load_masked(Path::new(path?), Path::new(base?), threads.max(1)).map_err(|e| e.to_string()))
}

/// # Safety
/// `path` is null or a string that ends with a 0.
unsafe fn path_of<'a>(path: *const c_char) -> Result<&'a str, String> {
    if path.is_null() {
        return Err("the path is null".into());
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(path) }.to_str().map_err(|_| "the path is not UTF-8".to_string())
}

/// A model for C, or null and a message.
fn loaded(load: impl FnOnce() -> Result<Runtime, String>) -> *mut OnebitModel {
    let load = AssertUnwindSafe(|| {
        let runtime = load()?;
        let classes =
            runtime.classes().iter().map(|c| CString::new(c.replace('\0', " ")).unwrap_or_default()).collect();
        Ok::<_, String>(OnebitModel { runtime, classes })
    });
    match catch_unwind(load) {
        Ok(Ok(model)) => Box::into_raw(Box::new(model)),
        Ok(Err(message)) => {
            say(message);
            std::ptr::null_mut()
        }
        Err(_) => {
            say("this is a fault of onebit, please report it".into());
            std::ptr::null_mut()
        }
    }
}

/// Rows, columns and channels of the images that it takes; nothing of a null.
///
/// # Safety
/// `model` is from [`onebit_load`] and no other thread runs it, `shape` has room for three numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn onebit_input(model: *const OnebitModel, shape: *mut usize) {
    // SAFETY: the caller's promise.
    if let (Some(model), Some(shape)) = unsafe { (model.as_ref(), shape.cast::<[usize; 3]>().as_mut()) } {
        *shape = model.runtime.input();
    }
}

/// The level, 255 or 0, that transparent pixels of pictures are laid on before they become its images; 255 of a null.
///
/// # Safety
/// `model` is from [`onebit_load`] and no other thread runs it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn onebit_background(model: *const OnebitModel) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { model.as_ref() }.map_or(255, |model| model.runtime.background())
}

/// Numbers that it gives for an image; 0 of a null.
///
/// # Safety
/// `model` is from [`onebit_load`] and no other thread runs it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn onebit_outputs(model: *const OnebitModel) -> usize {
    // SAFETY: the caller's promise.
    unsafe { model.as_ref() }.map_or(0, |model| model.runtime.outputs())
}

/// The name of a class; null if it has none, and of a null. Valid as long as the model.
///
/// # Safety
/// `model` is from [`onebit_load`] and no other thread runs it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn onebit_class(model: *const OnebitModel, class: usize) -> *const c_char {
    // SAFETY: the caller's promise.
    let class = unsafe { model.as_ref() }.and_then(|model| model.classes.get(class));
    class.map_or(std::ptr::null(), |c| c.as_ptr())
}

/// Runs the model on an image of `bytes` bytes, rows, columns and channels in this order, and writes its outputs. The
/// number of the largest one, or -1, see [`onebit_error`].
///
/// # Safety
/// `model` is from [`onebit_load`] and no other thread runs it, `image` has `bytes` bytes, `outputs` room for
/// [`onebit_outputs`] numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn onebit_run(model: *mut OnebitModel, image: *const u8, bytes: usize, outputs: *mut f32) -> i64 {
    if model.is_null() || image.is_null() || outputs.is_null() {
        say("onebit_run: null".into());
        return -1;
    }
    // SAFETY: the caller's promise.
    let (model, image) = unsafe { (&mut *model, std::slice::from_raw_parts(image, bytes)) };
    let run = AssertUnwindSafe(|| -> Result<i64, String> {
        let y = model.runtime.run(image).map_err(|e| e.to_string())?;
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(outputs, y.len()) }.copy_from_slice(y);
        Ok((0..y.len()).fold(0, |best, i| if y[i] > y[best] { i } else { best }) as i64)
    });
    match catch_unwind(run) {
        Ok(Ok(class)) => class,
        Ok(Err(message)) => {
            say(message);
            -1
        }
        Err(_) => {
            say("this is a fault of onebit, please report it".into());
            -1
        }
    }
}

/// Gives a model back. Null is allowed.
///
/// # Safety
/// `model` is from [`onebit_load`] and is not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn onebit_free(model: *mut OnebitModel) {
    if !model.is_null() {
        // SAFETY: the caller's promise.
        drop(unsafe { Box::from_raw(model) });
    }
}
